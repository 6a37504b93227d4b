// Elements as text. Whatever is not an element is escaped, so that no error message or host name can break the page.

export interface Markup {
  readonly html: string;
}

type Attribute = string | number | undefined;
type Child = Markup | string | readonly Child[];

const VOID = new Set(['meta', 'br', 'hr']);

export function element(name: string, attributes: Readonly<Record<string, Attribute>> = {}, ...children: readonly Child[]): Markup {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escape(typeof value === 'number' ? trimmed(value) : String(value))}"`)
    .join('');
  return { html: VOID.has(name) ? `<${name}${written}>` : `<${name}${written}>${children.map(render).join('')}</${name}>` };
}

/** Text that is markup already, such as a style sheet of our own. */
export function raw(html: string): Markup {
  return { html };
}

function render(child: Child): string {
  if (typeof child === 'string') return escape(child);
  return 'html' in child ? child.html : child.map(render).join('');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** A hundredth of a pixel is enough. */
function trimmed(value: number): string {
  return String(Math.round(value * 100) / 100);
}
