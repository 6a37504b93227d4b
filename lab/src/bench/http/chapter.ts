// HTTP: what a GET costs by who keeps its connection, plain and over TLS.
import { makeCertificate } from '../../servers/certificate.ts';
import { startNodeServer } from '../../servers/node-server.ts';
import type { BenchContext, Chapter, ChapterResult, Section } from '../chapter.ts';
import { atLeast, chosen, exchangeSection, failuresOf, takeExchanges } from '../exchange/section.ts';
import { CONTENDERS, type HttpPlace } from './contenders.ts';

const CALLERS = 50;
const SIZE = 10;
const about = `${CALLERS} callers GET a line from a server in a process of its own, again and again, over at most ${SIZE} connections.`;

const NOTES = [
  'Client and server share the machine, two processes of one thread each: compare the CPU per answer first.',
  'Over TLS, whoever opens a connection per request resumes the last session, as Node\'s agent does by itself.',
];

async function section(context: BenchContext, secure: boolean): Promise<Section> {
  const certificate = secure ? makeCertificate('localhost') : undefined;
  const server = await startNodeServer({ serve: 'pages', ...(certificate === undefined ? {} : { certificate }) });
  try {
    const place: HttpPlace = { port: server.port, ...(certificate === undefined ? {} : { ca: certificate.cert }) };
    const what = secure ? 'HTTPS' : 'HTTP';
    const plan = {
      list: 'http', contenders: chosen(CONTENDERS, context), what, place, pid: server.pid, size: SIZE, callers: CALLERS,
    } as const;
    const result = await takeExchanges(context, plan);
    return exchangeSection(result, plan, {
      id: secure ? 'http-tls' : 'http-plain', title: `A GET over ${what}, ${CALLERS} callers`,
      note: `One operation is a GET and its answer of one line over ${what} on the loopback, from the call to the end of the body.`,
      targets: [
        ...atLeast(result, `${what}: the dispatcher at least 0.95 × undici's Pool`, ['millpond-undici', 'undici'], 0.95),
        ...atLeast(result, `${what}: the agent at least Node's agent with keep-alive`, ['millpond', 'node-agent'], 1),
      ],
    });
  } finally {
    await server.kill();
  }
}

async function run(context: BenchContext): Promise<ChapterResult> {
  const sections = [await section(context, false), await section(context, true)];
  return { name: 'http', title: httpChapter.title, about, sections, notes: NOTES, failures: failuresOf(sections) };
}

export const httpChapter: Chapter = {
  name: 'http', title: 'HTTP: who keeps the connections', about, contenders: CONTENDERS.map(({ id }) => id), run,
};
