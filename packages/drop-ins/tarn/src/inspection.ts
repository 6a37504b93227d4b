// How a promise ended, as an object.

export class PromiseInspection<T> {
  readonly #value: T | undefined;
  readonly #error: unknown;

  constructor(outcome: { readonly value?: T; readonly error?: unknown }) {
    this.#value = outcome.value;
    this.#error = outcome.error;
  }

  value(): T | undefined {
    return this.#value;
  }

  reason(): unknown {
    return this.#error;
  }

  isRejected(): boolean {
    return Boolean(this.#error);
  }

  isFulfilled(): boolean {
    return Boolean(this.#value);
  }
}

/** Never rejects. */
export async function reflect<T>(promise: Promise<T>): Promise<PromiseInspection<T>> {
  try {
    return new PromiseInspection<T>({ value: await promise });
  } catch (error) {
    return new PromiseInspection<T>({ error });
  }
}
