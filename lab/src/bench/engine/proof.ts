// Before anything is timed: is it a pool at all? Two hundred callers at once; no resource with two of them, never more than `max`, as
// many at once as there may be, and everybody served.
import { setImmediate as turn } from 'node:timers/promises';
import { Source, type Open, type Subject, type Thing, USUAL } from './subject.ts';

const CALLERS = 200;
const LOANS_EACH = 10;

export async function prove(open: Open): Promise<void> {
  const source = new Source();
  const subject = await open(USUAL, source);
  if (subject.kind === 'tries') {
    await subject.close();
    return;
  }
  const seen = { now: 0, most: 0, served: 0 };
  const work = async (thing: Thing): Promise<void> => {
    if (thing.lent) throw new Error(`resource ${thing.id} was lent to two callers at once`);
    thing.lent = true;
    seen.now += 1;
    seen.most = Math.max(seen.most, seen.now);
    await turn(); // long enough for others to come in
    thing.lent = false;
    seen.now -= 1;
    seen.served += 1;
  };
  const caller = async (): Promise<void> => {
    for (let left = LOANS_EACH; left > 0; left -= 1) await borrow(subject, work);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  await subject.close();
  if (seen.served !== CALLERS * LOANS_EACH) throw new Error(`${seen.served} loans instead of ${CALLERS * LOANS_EACH}`);
  if (source.most > USUAL.max) throw new Error(`${source.most} resources, and ${USUAL.max} are allowed`);
  if (seen.most !== USUAL.max) throw new Error(`${seen.most} lent at once at most, where ${USUAL.max} could have been`);
}

async function borrow(subject: Exclude<Subject, { kind: 'tries' }>, work: (thing: Thing) => Promise<void>): Promise<void> {
  if (subject.kind === 'runs') {
    await subject.use(work);
    return;
  }
  const held = await subject.acquire();
  await work(subject.thingOf(held));
  subject.release(held);
}
