// A statement that runs on a connection which carries others as well: it has a place there, from when it is sent to when it is answered.

import type { Lease } from '../../index.ts';
import type { Carrier } from './carrier.ts';
import type { Pipeline } from './pipeline.ts';
import { Request, type Asked, type OwnStatement } from './request.ts';
import type { PgQueryOptions } from './types.ts';
import { NotSent } from '../common/attempts.ts';
import { ConnectionLostError } from '../common/errors.ts';
import { Watch } from '../common/watch.ts';

export class SharedRequest extends Request {
  private readonly pipeline: Pipeline;
  /** Its place. */
  private lease: Lease<Carrier> | undefined = undefined;
  private carrier: Carrier | undefined = undefined;

  constructor(pipeline: Pipeline, statement: OwnStatement, asked: Asked) {
    super(pipeline.ground, statement, asked);
    this.pipeline = pipeline;
  }

  attempt(): void {
    const { places } = this.pipeline;
    this.pipeline.expect();
    const lease = isPlain(this.options) ? places.tryAcquire() : undefined;
    if (lease !== undefined) this.begin(lease);
    else places.acquire(this.acquireOptions()).then((late) => this.begin(late), (error: unknown) => this.refused(error));
  }

  /** The carrier has left the pool of places, and takes its leases along. */
  leavePlace(): void {
    this.lease?.detach();
    this.lease = undefined;
  }

  answered(): void {
    const { error, carrier } = this;
    const { session } = carrier!;
    const unjudged = !this.left && error !== undefined && session.readOnlySeen && !session.lost;
    if (unjudged) carrier!.afterJudgement(() => this.reject(error));
    this.leave();
    if (this.left) return;
    this.watch?.end();
    if (unjudged) this.pipeline.land(carrier);
    else if (error === undefined) this.resolve(this.result!);
    else this.reject(error);
  }

  lost(cause: unknown): void {
    this.leave();
    if (this.left) return;
    this.watch?.end();
    if (this.written) this.reject(new ConnectionLostError(this.host.name, true, cause));
    else this.notSent(new NotSent(cause, true));
  }

  struck(): void {
    this.leave();
    this.watch?.end();
    this.attemptAgain();
  }

  private leave(): void {
    const carrier = this.carrier!;
    this.pipeline.ended(carrier);
    if (carrier.detached && carrier.taken) this.pipeline.cut(this.options?.label, carrier.stuckMs);
    this.lease?.release();
    this.lease = undefined;
  }

  private begin(lease: Lease<Carrier>): void {
    if (lease.ended) {
      this.attempt(); // the pool took it back before it could be used, and says why
      return;
    }
    const carrier = lease.resource;
    if (this.carrier !== undefined) this.restart();
    this.lease = lease;
    this.carrier = carrier;
    const limit = this.limit();
    if (limit !== undefined) {
      this.watch = new Watch(limit, (reason) => {
        this.left = true;
        this.reject(reason);
      });
    }
    carrier.pipe.send(this, true);
    this.pipeline.sent();
  }

  private refused(error: unknown): void {
    this.reject(this.pipeline.refusal(error));
  }
}

/** Nothing that has to be known to find a place. */
function isPlain(options: PgQueryOptions | undefined): boolean {
  return options === undefined || (options.lane === undefined && options.label === undefined && options.signal?.aborted !== true);
}
