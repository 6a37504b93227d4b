// How a login ends that was not to be.

import type { Report } from '../wire/pg/write.ts';

/** The client is told this, and disconnected. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly report: Report;

  constructor(message: string, code = '08P01') {
    super(message);
    this.report = { severity: 'FATAL', code, message };
  }
}
