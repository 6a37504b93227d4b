// A row of figures as a row of small bars: one character per figure, or the largest of several where there are more figures than room.
import type { Style } from './style.ts';

const BARS = { unicode: [...'▁▂▃▄▅▆▇█'], ascii: [...'.:-=+*#@'] } as const;

export interface SparkOptions {
  readonly width: number;
  /** The value of a full bar. Default: the largest figure. */
  readonly top?: number;
}

/** Nought is an empty place: an outage shows as a gap. */
export function spark(values: readonly number[], { width, top }: SparkOptions, style: Pick<Style, 'unicode'>): string {
  const bars = style.unicode ? BARS.unicode : BARS.ascii;
  const shown = squeeze(values, width);
  const full = top ?? Math.max(...shown, 0);
  return shown.map((value) => {
    if (!(value > 0) || full <= 0) return ' ';
    return bars[Math.min(bars.length - 1, Math.max(0, Math.ceil((value / full) * bars.length) - 1))] ?? ' ';
  }).join('');
}

/** At most `width` figures, each the largest of its share: a short burst must not vanish in a mean. */
export function squeeze(values: readonly number[], width: number): number[] {
  if (values.length <= width) return [...values];
  return Array.from({ length: width }, (_, column) => {
    const from = Math.floor((column * values.length) / width);
    const to = Math.max(from + 1, Math.floor(((column + 1) * values.length) / width));
    return Math.max(...values.slice(from, to));
  });
}
