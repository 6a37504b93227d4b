// How numbers are written: the same words in the terminal and in the HTML page, so that the two can be laid side by side. The spaces inside
// a figure do not break, so that no line ends between a number and its unit.

const SPACE = '\u00a0';

/** 12345 → '12 345'. Rounds to a whole number. */
export function count(value: number): string {
  const digits = String(Math.round(Math.abs(value)));
  const grouped = digits.replace(/\B(?=(\d{3})+(?!\d))/g, SPACE);
  return Math.round(value) < 0 ? `-${grouped}` : grouped;
}

/** Milliseconds with three significant digits at most: '0.42 ms', '8.1 ms', '172 ms', '1.43 s'. NaN is written as a dash. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  if (ms >= 999.5) return `${(ms / 1000).toFixed(ms >= 99_950 ? 0 : ms >= 9995 ? 1 : 2)}${SPACE}s`;
  if (ms >= 9.95) return `${Math.round(ms)}${SPACE}ms`;
  return ms >= 0.995 ? `${ms.toFixed(1)}${SPACE}ms` : `${ms.toFixed(2)}${SPACE}ms`;
}

/** An axis label: 800 → '800', 1500 → '1.5k', 20000 → '20k'. */
export function short(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 999_500) return `${trimZeros((value / 1e6).toFixed(1))}M`;
  if (magnitude >= 1000) return `${trimZeros((value / 1000).toFixed(1))}k`;
  return trimZeros(value.toFixed(magnitude < 10 ? 1 : 0));
}

/** '1 error', '2 errors', '0 errors'. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)}${SPACE}${Math.round(value) === 1 ? one : many}`;
}

/** How many times `a` is `b`, in words: '14 times', '2.3 times'. */
export function times(ratio: number): string {
  return `${ratio >= 9.95 ? count(ratio) : trimZeros(ratio.toFixed(1))}${SPACE}times`;
}

/** A share of one. Nearly all is not all, and hardly any is not none. */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 99 && value < 100) return `${Math.min(99.9, Number(value.toFixed(1))).toFixed(1)}${SPACE}%`;
  if (value > 0 && value < 10) return `${Math.max(0.1, Number(value.toFixed(1))).toFixed(1)}${SPACE}%`;
  return `${Math.round(value)}${SPACE}%`;
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** A duration on an axis, where the ticks are round: '0', '50 ms', '1.5 s'. */
export function axisDuration(ms: number): string {
  if (ms === 0) return '0';
  return ms >= 1000 ? `${trimZeros((ms / 1000).toFixed(2))}${SPACE}s` : `${trimZeros(ms.toFixed(ms < 1 ? 2 : 1))}${SPACE}ms`;
}
