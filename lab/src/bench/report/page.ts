// The page: one file that needs no network, no script and no font.
import { element } from '../../drawing/markup.ts';
import type { BenchResult } from '../results.ts';

export function page(result: BenchResult): string {
  return element('html', {}, JSON.stringify(result.origin)).html;
}
