// The examples are real programs: each runs to its end and prints what the guide says, its factory stands in the guide as it is, and keeps
// the contract of factories.

import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { defineCases, factoryContract } from 'millpond/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smtpFactory } from '../../examples/src/smtp/factory.ts';
import { MailServer } from '../../examples/src/smtp/server.ts';
import { run as execute, sshFactory } from '../../examples/src/ssh/factory.ts';
import { SshServer } from '../../examples/src/ssh/server.ts';
import { run, workerFactory } from '../../examples/src/worker-threads/factory.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const guide = readFileSync(join(ROOT, 'docs/guide/writing-an-adapter.md'), 'utf8');
const compiled = (file: string): string => join(ROOT, 'examples/dist', file);
const MOST_LINES = 40;

beforeAll(() => {
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', 'examples'], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The examples do not compile:\n${stdout}`);
}, 120_000);

describe.each(['worker-threads', 'ssh', 'smtp'])('examples/src/%s', (name) => {
  it('ends well, and prints what the guide says', async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [compiled(`${name}/main.js`)], { timeout: 60_000 });
    expect(stderr).toBe('');
    expect(guide).toContain(`\`\`\`text\n${stdout}\`\`\``);
  });

  it('has a factory of less than 40 lines, which stands in the guide as it is', () => {
    const source = readFileSync(join(ROOT, `examples/src/${name}/factory.ts`), 'utf8');
    expect(guide).toContain(`\`\`\`ts\n${source}\`\`\``);
    const factory = /^export function \w+Factory\(.*?^\}$/ms.exec(source)?.[0] ?? '';
    expect(factory).toContain('destroy');
    expect(factory.split('\n').length).toBeLessThan(MOST_LINES);
  });
});

/** Ends the other end of a socket without a goodbye. */
function cut(others: Iterable<Socket>, { localPort }: Socket): void {
  for (const other of others) if (other.remotePort === localPort) other.resetAndDestroy();
}

describe('worker threads', () => {
  // The server of these is this process: it counts those that run.
  const factory = workerFactory(pathToFileURL(compiled('worker-threads/worker.js')));
  let alive = 0;
  defineCases(factoryContract({
    name: 'workerFactory',
    factory: () => ({
      ...factory,
      async create(context) {
        const worker = await factory.create(context);
        alive++;
        worker.once('exit', () => alive--);
        return worker;
      },
    }),
    use: async (worker) => expect(await run<number>(worker, 100)).toBe(25),
    countOpen: () => alive,
    kill: (worker) => worker.terminate(),
  }), it);
});

describe('SSH', () => {
  const server = new SshServer();
  beforeAll(() => server.listen());
  afterAll(() => server.close());
  const login = (password: string) => sshFactory({ host: '127.0.0.1', port: server.port, username: 'app', password });

  defineCases(factoryContract({
    name: 'sshFactory',
    factory: () => login('secret'),
    use: async (client) => expect(await execute(client, 'echo hello')).toBe('hello\n'),
    countOpen: () => server.sockets.size,
    kill: (client) => cut(server.sockets, (client as unknown as { readonly _sock: Socket })._sock),
    refuse: () => server.close(),
    restore: () => server.listen(),
  }), it);

  it('takes a refused login for permanent, and nothing else', async () => {
    const { signal } = new AbortController();
    const denied = login('wrong');
    const error = await Promise.resolve(denied.create({ signal, attempt: 1 })).catch((caught: unknown) => caught);
    expect(denied.classify!(error)).toBe('permanent');
    expect(denied.classify!(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))).toBe('transient');
  });
});

describe('SMTP', () => {
  const server = new MailServer();
  beforeAll(() => server.listen());
  afterAll(() => server.close());

  defineCases(factoryContract({
    name: 'smtpFactory',
    factory: () => smtpFactory({ host: '127.0.0.1', port: server.port }),
    countOpen: () => server.sockets.size,
    kill: (session) => cut(server.sockets, session._socket as Socket),
  }), it);
});
