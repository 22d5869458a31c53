// HTML as values: a template tag that escapes everything put into it unless it is markup already.
// What a run says is hostile until escaped, and forgetting must not be possible.

/** Text that is HTML already. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Markup | string | number | undefined | readonly Content[];

/** Builds markup; interpolated strings and numbers are escaped, lists are joined. */
export function html(strings: TemplateStringsArray, ...contents: Content[]): Markup {
  let text = strings[0]!;
  for (const [i, content] of contents.entries()) text += render(content) + strings[i + 1]!;
  return new Markup(text);
}

function render(content: Content): string {
  if (content === undefined) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'object') return content.map(render).join('');
  return escapeHtml(`${content}`);
}

/** Escapes for element content and quoted attributes; control characters become U+FFFD. */
export function escapeHtml(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: HTML forbids them
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;')
  );
}
