// Scales and ticks, for the picture in the terminal and for the one in the page.

/** Where a value lies between the ends of a scale: 0 at `from`, 1 at `to`. */
export type Scale = (value: number) => number;

export function linear(from: number, to: number): Scale {
  const span = to - from;
  return (value) => (span === 0 ? 0 : (value - from) / span);
}

/** For pool sizes, which are chosen by factors and not by steps. */
export function logarithmic(from: number, to: number): Scale {
  const inner = linear(Math.log(from), Math.log(to));
  return (value) => inner(Math.log(value));
}

/** Round numbers from 0 to at least `max`, about `wanted` steps. The last tick is the end of the axis. */
export function niceTicks(max: number, wanted = 4): number[] {
  if (!(max > 0) || !Number.isFinite(max)) return [0, 1];
  const rough = max / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999_999) ?? 10 * power;
  const steps = Math.ceil(max / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** Of labels at these positions (in columns or pixels), those that do not touch the one shown before them. */
export function roomFor(labels: readonly { readonly at: number; readonly width: number }[], gap: number): boolean[] {
  let freeFrom = -Infinity;
  return labels.map(({ at, width }) => {
    const start = at - width / 2;
    if (start < freeFrom) return false;
    freeFrom = start + width + gap;
    return true;
  });
}
