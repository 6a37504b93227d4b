// The parts of @opentelemetry/api that are used here, by structure, so that neither its code nor its types have to be installed.

export interface OtelMetricOptions {
  readonly description: string;
  readonly unit: string;
  readonly advice?: { explicitBucketBoundaries: number[] };
}

export type OtelAttributes = Record<string, string>;

export interface OtelHistogram {
  record(value: number, attributes: OtelAttributes): void;
}

/** An instrument that is read; what it is is the meter's business. */
export interface OtelObservable {
  addCallback(callback: never): void;
}

export interface OtelObserver {
  observe(metric: OtelObservable, value: number, attributes: OtelAttributes): void;
}

export interface OtelMeter {
  createHistogram(name: string, options: OtelMetricOptions): OtelHistogram;
  createObservableCounter(name: string, options: OtelMetricOptions): OtelObservable;
  createObservableUpDownCounter(name: string, options: OtelMetricOptions): OtelObservable;
  addBatchObservableCallback(callback: (result: OtelObserver) => void, observables: OtelObservable[]): void;
  removeBatchObservableCallback(callback: (result: OtelObserver) => void, observables: OtelObservable[]): void;
}

export interface OtelMeterProvider {
  getMeter(name: string): OtelMeter;
}

export interface OtelSpan {
  setStatus(status: { code: number; message: string }): unknown;
  end(endTime: number): void;
}

export interface OtelTracer {
  startSpan(name: string, options: { startTime: number; attributes: OtelAttributes }): OtelSpan;
}
