// The floor: no pool at all, only what the loop around it costs. `await` of a promise that is resolved already.
import { lender, type Setup, type Source, type Subject } from '../subject.ts';

export function open(_setup: Setup, source: Source): Subject {
  const thing = source.make();
  const resolved = Promise.resolve(thing);
  return lender({
    acquire: () => resolved, release: () => undefined, thingOf: (held) => held, close: () => Promise.resolve(),
  });
}
