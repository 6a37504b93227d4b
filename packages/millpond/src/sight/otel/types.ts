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

/** Seconds since 1970, and nanoseconds. */
export type OtelTime = [number, number];

interface Point<V> {
  readonly startTime: OtelTime;
  readonly endTime: OtelTime;
  readonly attributes: OtelAttributes;
  readonly value: V;
}

interface MetricHead {
  readonly descriptor: { readonly name: string; readonly description: string; readonly unit: string; readonly valueType: 1 };
  readonly aggregationTemporality: 1;
}

export interface OtelSum extends MetricHead {
  readonly dataPointType: 3;
  readonly isMonotonic: boolean;
  readonly dataPoints: Point<number>[];
}

export interface OtelMeasured extends MetricHead {
  readonly dataPointType: 0;
  readonly dataPoints: Point<{ buckets: { boundaries: number[]; counts: number[] }; sum: number; count: number }>[];
}

export interface OtelResource {
  readonly attributes: OtelAttributes;
  merge(other: never): never;
  getRawAttributes(): [];
}

export interface OtelCollection {
  resourceMetrics: { resource: OtelResource; scopeMetrics: { scope: { readonly name: string }; metrics: (OtelSum | OtelMeasured)[] }[] };
  errors: unknown[];
}

/** A `MetricProducer` of @opentelemetry/sdk-metrics. */
export interface OtelProducer {
  collect(): Promise<OtelCollection>;
}
