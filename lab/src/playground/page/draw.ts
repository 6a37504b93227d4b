// Elements, scales and figures: what the charts are drawn with.

const SVG = 'http://www.w3.org/2000/svg';

export function html<K extends keyof HTMLElementTagNameMap>(
  name: K, attributes: Readonly<Record<string, string>> = {}, ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function svg(
  name: string, attributes: Readonly<Record<string, string | number>> = {}, ...children: readonly (Node | string)[]
): Element {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, typeof value === 'number' ? String(Math.round(value * 10) / 10) : value);
  }
  element.append(...children);
  return element;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no #${id}.`);
  return found;
}

export type Scale = (value: number) => number;

/** From 0 to `most` on `from` to `to`. */
export function linear(most: number, from: number, to: number): Scale {
  return (value) => from + (to - from) * Math.min(1, value / most);
}

export function logarithmic(least: number, most: number, from: number, to: number): Scale {
  const span = Math.log(most / least);
  return (value) => from + (to - from) * Math.min(1, Math.max(0, Math.log(Math.max(value, least) / least) / span));
}

/** The next round number that is no smaller: 1, 2 or 5 and zeros. */
export function roundUp(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * magnitude).find((step) => step >= value) ?? 10 * magnitude;
}

/** 12345 → '12 345'; small ones with a place. */
export function count(value: number): string {
  if (value > 0 && value < 9.95 && !Number.isInteger(value)) return value.toFixed(1);
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, '\u00a0');
}

export function duration(ms: number): string {
  if (ms >= 999.5) return `${(ms / 1000).toFixed(ms >= 9995 ? 0 : 1)}\u00a0s`;
  return `${ms >= 9.95 || ms === 0 ? Math.round(ms) : ms.toFixed(1)}\u00a0ms`;
}

/** Of points with gaps where there is no value. */
export function linePath(points: readonly (readonly [x: number, y: number] | undefined)[]): string {
  let path = '';
  let pen = 'M';
  for (const point of points) {
    if (point !== undefined) path += `${pen}${point[0].toFixed(1)},${point[1].toFixed(1)}`;
    pen = point === undefined ? 'M' : 'L';
  }
  return path;
}

/** Sets what has changed only: a reader's selection and a screen reader's place survive. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
