// The part of pg-cursor that the tests use; the package brings no types.
declare module 'pg-cursor' {
  export default class Cursor<R> {
    constructor(text: string, values?: unknown[]);
    submit(connection: unknown): void;
    read(count: number): Promise<R[]>;
    close(): Promise<void>;
  }
}
