// What happens when the ports of a machine run out: `ports-worker.js <contender> <requests>`, in a network of its own that has few. Prints
// one line of JSON. Server and client are one process here: nothing is timed.
import { timeWaitSockets } from '../../demo/meters/sockets.ts';
import { contenderOf } from './contenders.ts';
import { startLineServer } from './line.ts';

/** As printed. */
export interface PortsMeasured {
  readonly answered: number;
  readonly failed: number;
  /** The code of the first failure. */
  readonly code: string | undefined;
  readonly timeWait: number | undefined;
}

const [, , id = '', requests = '0'] = process.argv;
const { port } = await startLineServer(undefined);
const { exchange } = contenderOf(id).open({ port, ca: undefined }, 10);
let answered = 0;
let failed = 0;
let code: string | undefined;
for (let i = 0; i < Number(requests); i++) {
  try {
    await exchange();
    answered++;
  } catch (error) {
    failed++;
    code ??= (error as { readonly code?: string }).code ?? String(error);
  }
}
const measured: PortsMeasured = { answered, failed, code, timeWait: timeWaitSockets(port)?.size };
process.stdout.write(`${JSON.stringify(measured)}\n`, () => { process.exit(); });
