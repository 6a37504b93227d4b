// Why connections are kept at all: what one costs before the first statement can be sent.
import type { Section } from '../chapter.ts';
import type { ConnectOptions, ConnectResult } from './connects.ts';
import { cellsOf, order, reason, type Stage } from './stage.ts';

interface Kind {
  readonly name: string;
  readonly about: string;
  readonly lacks: string;
  readonly unix?: boolean;
  readonly trusted?: boolean;
  readonly tls?: boolean;
  readonly reuse?: boolean;
}

const KINDS: readonly Kind[] = [
  { name: 'TLS over TCP, password', about: 'SCRAM-SHA-256', lacks: '', tls: true },
  { name: 'TCP, password', about: 'SCRAM-SHA-256', lacks: 'nobody proves who the server is; in clear' },
  { name: 'TCP, trust', about: 'no password', lacks: 'nobody proves anything', trusted: true },
  { name: 'Unix socket, trust', about: 'no password', lacks: 'one machine only', unix: true, trusted: true },
  { name: 'a statement over an open connection', about: 'SELECT 1 over TCP', lacks: 'no connect: to compare with', reuse: true },
];

export async function connecting(stage: Stage): Promise<Section> {
  const { plan, server, ca } = stage;
  const taken = await stage.turns('connects', KINDS, (station, { unix = false, trusted = false, tls, reuse = false }) => {
    const options: ConnectOptions = {
      place: stage.place({ unix, trusted }),
      ca: tls === true ? ca : undefined,
      reuse,
      times: reuse ? plan.connects * 20 : plan.connects,
      postmasterPid: server.pid,
    };
    return order<ConnectResult>(station, { do: 'connects', options });
  });
  return {
    id: 'pg-connect',
    title: 'What a connect costs',
    note: 'One operation is a connect with pg.Client to the moment at which it takes statements, one after the other; '
      + 'the CPU includes its end.',
    columns: [
      { id: 'wall', head: 'time', unit: 'ms', about: 'from the call to the moment at which it takes statements', better: 'less' },
      { id: 'client', head: 'client CPU', unit: 'ms', about: 'CPU time of our process, all threads', better: 'less' },
      { id: 'server', head: 'server CPU', unit: 'ms', about: 'CPU time of all processes of the server', better: 'less' },
    ],
    rows: taken.map(({ contender: { name, about, lacks }, measured, failed }) => ({
      contender: name, about, lacks, ours: false,
      cells: cellsOf(measured, { wall: ({ wallMs }) => wallMs, client: ({ clientMs }) => clientMs, server: ({ serverMs }) => serverMs }),
      ...(failed === undefined ? {} : { failed: reason(failed) }),
    })),
    charts: [{ kind: 'bars', title: 'What a connect costs', subtitle: 'ms of CPU of the process that connects', column: 'client' }],
    targets: [],
  };
}
