// Is memory steady? The heap after a full collection, sampled; the last third of the samples is compared with the first.

export interface Sample {
  readonly atS: number;
  readonly heapMb: number;
}

/** What the last third may be above the first: code that was compiled meanwhile, and noise. */
const ALLOWED_MB = 6;

export class Memory {
  private readonly samples: Sample[] = [];
  private readonly startedAt = performance.now();

  take(): Sample {
    globalThis.gc?.();
    const sample = { atS: Math.round((performance.now() - this.startedAt) / 1000), heapMb: process.memoryUsage().heapUsed / 2 ** 20 };
    this.samples.push(sample);
    return sample;
  }

  faults(): string[] {
    if (globalThis.gc === undefined) return ['memory cannot be measured without --expose-gc'];
    const third = Math.floor(this.samples.length / 3);
    if (third < 2) return [];
    const first = median(this.samples.slice(0, third));
    const last = median(this.samples.slice(-third));
    return last > first + ALLOWED_MB ? [`the heap grew from ${first.toFixed(1)} to ${last.toFixed(1)} MB`] : [];
  }
}

function median(samples: readonly Sample[]): number {
  const sorted = samples.map(({ heapMb }) => heapMb).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
