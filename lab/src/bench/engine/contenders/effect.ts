// Effect's pool, used from promises: one `runPromise` for each loan, its effect built once.
import { Effect, Exit, Pool, Scope } from 'effect';
import type { Setup, Source, Subject, Thing } from '../subject.ts';

export async function open({ max, acquireTimeoutMs, sharing }: Setup, source: Source): Promise<Subject> {
  const scope = await Effect.runPromise(Scope.make());
  const acquire = Effect.acquireRelease(Effect.sync(() => source.make()), () => Effect.sync(() => source.unmake()));
  const pool = await Effect.runPromise(Scope.provide(
    Pool.makeWithTTL({ acquire, min: 0, max, concurrency: sharing, timeToLive: '60 seconds', timeToLiveStrategy: 'usage' }), scope));
  const loan = Effect.timeout(Pool.get(pool), `${acquireTimeoutMs} millis`);
  type Work = (thing: Thing) => void | Promise<void>;
  const programs = new Map<Work, Effect.Effect<void, unknown>>();
  const programOf = (work: Work): Effect.Effect<void, unknown> => {
    const known = programs.get(work);
    if (known !== undefined) return known;
    const program = Effect.scoped(Effect.flatMap(loan, (thing) => {
      const result = work(thing);
      return result === undefined ? Effect.void : Effect.promise(() => result);
    }));
    programs.set(work, program);
    return program;
  };
  return {
    kind: 'runs',
    use: (work) => Effect.runPromise(programOf(work)),
    useWith: (signal, work) => Effect.runPromise(programOf(work), { signal }),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  };
}
