// A reader for EDN, the notation of Jepsen's and Knossos' history files. It keeps the line where each
// map began, so that what is wrong with a history can be said with a place.

/** A keyword, `:name`. */
export interface EdnKeyword {
  kind: 'keyword';
  name: string;
}
/** A map; keys that are keywords or strings, by name. Other keys are read and left out. */
export interface EdnMap {
  kind: 'map';
  line: number;
  entries: Map<string, Edn>;
}
/** Vectors, lists and sets are arrays; symbols are strings with `kind`. */
export type Edn =
  | null
  | boolean
  | number
  | string
  | EdnKeyword
  | { kind: 'symbol'; name: string }
  | EdnMap
  | Edn[];

const DEPTH_MAX = 64;
const CLOSES: Record<string, string> = { '[': ']', '(': ')', '{': '}', '#{': '}' };

/** Reads all forms of a text. Throws with the line number on what is not EDN. */
export function readEdn(text: string): Edn[] {
  return new EdnReader(text).all();
}

class EdnReader {
  readonly #text: string;
  #at = 0;
  #line = 1;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  all(): Edn[] {
    const forms: Edn[] = [];
    while (this.#skipBlank()) forms.push(this.#form());
    return forms;
  }

  /** Skips whitespace, commas, comments and discarded forms; false at the end of the text. */
  #skipBlank(): boolean {
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at] as string;
      if (char === '\n') this.#line++;
      else if (char === ';') {
        const end = this.#text.indexOf('\n', this.#at);
        this.#at = (end < 0 ? this.#text.length : end) - 1;
      } else if (char === '#' && this.#text[this.#at + 1] === '_') {
        this.#at += 2;
        this.#need();
        this.#form();
        this.#at--;
      } else if (char !== ',' && char.trim() !== '') return true;
    }
    return false;
  }

  #need(): void {
    if (!this.#skipBlank()) this.#fail('the text ends inside a form');
  }

  #fail(what: string): never {
    throw new Error(`line ${this.#line}: ${what}`);
  }

  #form(): Edn {
    const char = this.#text[this.#at] as string;
    if (char === '"') return this.#string();
    if (char === '[' || char === '(') return this.#sequence(char);
    if (char === '{') return this.#map();
    if (char === ']' || char === ')' || char === '}') this.#fail(`unexpected ${char}`);
    if (char === '\\') return this.#character();
    if (char === '#') {
      if (this.#text[this.#at + 1] === '{') return this.#sequence('#{');
      // A tagged literal: the tag says nothing here, its form does.
      this.#token();
      this.#need();
      return this.#form();
    }
    return this.#atom(this.#token());
  }

  #token(): string {
    const rest = /[^\s,;()[\]{}"]+/y;
    rest.lastIndex = this.#at;
    const token = rest.exec(this.#text)?.[0];
    if (token === undefined) this.#fail(`unexpected ${this.#text[this.#at]}`);
    this.#at += token.length;
    return token;
  }

  #atom(token: string): Edn {
    if (token === 'nil') return null;
    if (token === 'true' || token === 'false') return token === 'true';
    if (/^[+-]?\d/.test(token)) {
      const number = Number(token.replace(/[NM]$/, ''));
      if (Number.isNaN(number)) this.#fail(`expected a number, got ${token}`);
      return number;
    }
    if (token.startsWith(':')) {
      if (token.length === 1) this.#fail('expected a keyword after a colon');
      return { kind: 'keyword', name: token.slice(1) };
    }
    return { kind: 'symbol', name: token };
  }

  #character(): string {
    const named = /\\(newline|space|tab|return|u[0-9a-fA-F]{4}|.)/suy;
    named.lastIndex = this.#at;
    const found = named.exec(this.#text)?.[1];
    if (found === undefined) this.#fail('expected a character after a backslash');
    this.#at += 1 + found.length;
    const blank: Record<string, string> = { newline: '\n', space: ' ', tab: '\t', return: '\r' };
    if (/^u[0-9a-fA-F]{4}$/.test(found))
      return String.fromCharCode(Number.parseInt(found.slice(1), 16));
    return blank[found] ?? found;
  }

  #string(): string {
    const start = this.#line;
    let value = '';
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at] as string;
      if (char === '"') {
        this.#at++;
        return value;
      }
      if (char === '\n') this.#line++;
      if (char !== '\\') {
        value += char;
        continue;
      }
      const escaped = this.#text[++this.#at] ?? '';
      const known: Record<string, string> = { n: '\n', t: '\t', r: '\r' };
      value += known[escaped] ?? escaped;
    }
    this.#line = start;
    return this.#fail('a string is not closed');
  }

  #sequence(open: string): Edn[] {
    const items: Edn[] = [];
    this.#inside(open, () => items.push(this.#form()));
    return items;
  }

  #map(): EdnMap {
    const line = this.#line;
    const entries = new Map<string, Edn>();
    this.#inside('{', () => {
      const key = this.#form();
      this.#need();
      if (this.#text[this.#at] === '}') this.#fail('a map has a key without a value');
      const value = this.#form();
      if (typeof key === 'string') entries.set(key, value);
      else if (key !== null && typeof key === 'object' && 'name' in key)
        entries.set(key.name, value);
    });
    return { kind: 'map', line, entries };
  }

  #inside(open: string, item: () => void): void {
    const start = this.#line;
    if (++this.#depth > DEPTH_MAX) this.#fail(`forms are nested deeper than ${DEPTH_MAX}`);
    this.#at += open.length;
    for (;;) {
      if (!this.#skipBlank()) {
        this.#line = start;
        this.#fail(`${open} is not closed`);
      }
      if (this.#text[this.#at] === CLOSES[open]) break;
      item();
    }
    this.#at++;
    this.#depth--;
  }
}
