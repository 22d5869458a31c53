// The lines of a server's configuration, key=value, with the place of each. Both servers read them so, so that
// whatever is wrong is said in the same words and in terms of the file's own lines.
import fs from 'node:fs';

/** The configuration cannot be used; the message says where and what was expected. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** One line of the file and its place, `file:line`. */
export interface Property {
  readonly key: string;
  readonly value: string;
  readonly where: string;
}

/** What a server takes. */
export interface KnownProperties {
  /** Keys there are, in the order in which an unknown one is told of them. */
  readonly keys: readonly string[];
  /** What keys may begin with that end in a number. */
  readonly prefixes?: readonly string[];
  /** Keys that are taken and have no effect, with why that is no loss. */
  readonly withoutEffect: Readonly<Record<string, string>>;
  /** Throws ConfigError for a value that cannot be, before the next line is read. */
  check?(property: Property): void;
}

/** A whole number from text. Throws ConfigError that names `what`. */
export function wholeNumber(what: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || Object.is(value, -0) || value < min || value > max) {
    throw new ConfigError(`${what}: expected a whole number of ${min} to ${max}, got '${text}'`);
  }
  return value;
}

/** The text of a file. Throws ConfigError that names `what`. */
export function readText(file: string, what: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read ${what}: ${(error as Error).message}`);
  }
}

/** The properties of one file. */
export class PropertyFile<Key extends string> {
  /** The file's name as it was given. */
  readonly file: string;
  /** What was taken without effect. */
  readonly warnings: string[] = [];
  readonly #known: KnownProperties;
  readonly #found = new Map<string, Property>();

  /** Reads `key=value` lines and comments. Throws ConfigError for any other line or key. */
  constructor(text: string, file: string, known: KnownProperties) {
    this.file = file;
    this.#known = known;
    for (const [index, raw] of text.split(/\r?\n/).entries()) {
      const line = raw.trim();
      if (line === '' || line.startsWith('#') || line.startsWith('!')) continue;
      this.#take(line, `${file}:${index + 1}`);
    }
  }

  #take(line: string, where: string): void {
    const equals = line.indexOf('=');
    if (equals <= 0) throw new ConfigError(`${where}: expected key=value, got '${line}'`);
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    const earlier = this.#found.get(key);
    if (earlier !== undefined) {
      throw new ConfigError(`${where}: ${key} was already given at ${earlier.where}`);
    }
    const property = { key, value, where };
    this.#found.set(key, property);
    const { keys, prefixes = [], withoutEffect, check } = this.#known;
    const idle = withoutEffect[key];
    if (idle !== undefined) {
      this.warnings.push(`${where}: ${key} has no effect: ${idle}`);
      return;
    }
    if (!keys.includes(key) && !prefixes.some((prefix) => key.startsWith(prefix))) {
      const known = [...keys, ...prefixes.map((prefix) => `${prefix}N`)].join(', ');
      throw new ConfigError(`${where}: unknown key '${key}', known are ${known}`);
    }
    check?.(property);
  }

  get(key: Key): Property | undefined {
    return this.#found.get(key);
  }

  /** The lines whose keys begin with `prefix`, in the file's order. */
  *beginningWith(prefix: string): Generator<Property> {
    for (const property of this.#found.values()) {
      if (property.key.startsWith(prefix)) yield property;
    }
  }
}
