// Port exhaustion, shown without touching the machine's settings: in a network namespace of its own a process may say for itself which
// ports there are for clients. Linux with unprivileged namespaces, or root, and `unshare` and `ip`; elsewhere the section is left out.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchContext, Row, Section } from '../chapter.ts';
import { exactly } from '../harness/statistics.ts';
import type { Contender } from './contenders.ts';
import type { PortsMeasured } from './ports-worker.ts';

const WORKER = fileURLToPath(new URL('./ports-worker.js', import.meta.url));
const PORTS = 100;
const REQUESTS = 1000;
const LONGEST_MS = 30_000;

/**
 * Few ports, and none of them used again before its minute is over. On the loopback Linux would do that after a second; to other machines
 * it does not.
 */
const NETWORK = [
  'ip link set lo up',
  `echo "40000 ${40_000 + PORTS - 1}" > /proc/sys/net/ipv4/ip_local_port_range`,
  'echo 0 > /proc/sys/net/ipv4/tcp_tw_reuse',
  'exec "$@"',
].join(' && ');

/** The section, or why there is none. */
export async function portsSection(context: BenchContext, contenders: readonly Contender[]): Promise<Section | string> {
  const inside = (...command: string[]): Promise<{ stdout: string }> => promisify(execFile)(
    'unshare', ['--user', '--net', '--map-root-user', 'sh', '-c', NETWORK, 'sh', ...command],
    { signal: context.signal, timeout: LONGEST_MS },
  );
  try {
    await inside('true');
  } catch (error) {
    context.signal.throwIfAborted();
    return `Port exhaustion is not shown: this system has no network of its own to give (${firstLine(error)}).`;
  }
  const rows: Row[] = [];
  for (const { id, name, about, lacks, ours, tlsOnly } of contenders) {
    if (tlsOnly === true) continue;
    context.progress(`ports: ${name}`);
    const row = { contender: name, about, lacks, ours };
    try {
      const { stdout } = await inside(process.execPath, WORKER, id, String(REQUESTS));
      const { answered, failed, code, timeWait } = JSON.parse(stdout) as PortsMeasured;
      const words = code === undefined ? 'none' : `${failed} × ${code}`;
      rows.push({
        ...row, words: { failures: words },
        cells: { answered: exactly(answered), timeWait: timeWait === undefined ? undefined : exactly(timeWait) },
      });
    } catch (error) {
      context.signal.throwIfAborted();
      rows.push({ ...row, cells: {}, failed: firstLine(error) });
    }
  }
  return {
    id: 'tcp-ports', title: `A machine with ${PORTS} ports left`,
    note: `${REQUESTS} requests, one after the other, from a network namespace that has ${PORTS} ports for clients and uses none again `
      + 'before its minute in TIME_WAIT is over, as towards any other machine.',
    columns: [
      { id: 'answered', head: 'answered', unit: '', about: `of ${REQUESTS}`, better: 'more' },
      { id: 'failures', head: 'failed', unit: '', about: 'and what they failed with' },
      { id: 'timeWait', head: 'in TIME_WAIT', unit: '', about: 'sockets, afterwards', better: 'less' },
    ],
    rows, targets: [],
  };
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as Error & { readonly stderr?: string };
  return (stderr ?? '').split('\n').find((line) => line.trim() !== '')?.trim() ?? message.split('\n')[0] ?? 'no reason given';
}
