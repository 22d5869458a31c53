// A reader of XML for tests, as strict as JUnit's format needs: what it takes is well-formed.

const TOKEN =
  /<(\/?)([a-z-]+)((?: [a-z]+="(?:[^"<&]|&[a-z#0-9]+;)*")*)(\/?)>|((?:[^<&>]|&[a-z#0-9]+;)+)/gy;
// biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 forbids them
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

/** The paths of all elements in their order. Throws where the text is not well-formed. */
export function parseXml(xml: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  const body = xml.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  if (FORBIDDEN.test(xml)) throw new Error('control character');
  const token = new RegExp(TOKEN);
  let end = 0;
  for (let match = token.exec(body); match !== null; match = token.exec(body)) {
    end = token.lastIndex;
    const [, closing, name, , empty] = match;
    if (name === undefined) continue;
    if (closing === '/') {
      const last = open.pop();
      if (last !== name) throw new Error(`expected </${last}>, got </${name}>`);
    } else {
      seen.push([...open, name].join('/'));
      if (empty !== '/') open.push(name);
    }
  }
  if (end !== body.length) throw new Error(`not well-formed at: ${body.slice(end, end + 80)}`);
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`);
  return seen;
}
