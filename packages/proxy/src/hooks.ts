// What somebody can decide in code: who gets in, which database a client gets, and what to make of what happens. Hooks are others' code:
// what they throw is logged and told to nobody else, and one that does not answer holds up the client that it was asked about, until
// client_login_timeout ends that.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { pathToFileURL } from 'node:url';
import type { Client } from './client/client.ts';
import { Refused } from './client/refused.ts';
import { fileNamed } from './config/paths.ts';
import type { Values } from './config/settings.ts';
import type { Log } from './log.ts';
import type { ServerPool } from './server/pool.ts';
import { ClosedError } from './wire/pg/inbox.ts';

/** A client that has said what it wants and has proved nothing yet. */
export interface Arrival {
  readonly user: string;
  /** As it asked for it: its user, if it named none. What authenticate is told is what route has made of it. */
  readonly database: string;
  /** `unix` over the Unix socket. */
  readonly address: string;
  readonly applicationName: string | undefined;
  /** Of the startup packet, as the client spells them. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly tls: boolean;
  /** The host that the client thinks it talks to (SNI), if it said so. */
  readonly serverName: string | undefined;
  /** Aborted when the client has gone, or is not waited for any longer. */
  readonly signal: AbortSignal;
}

export interface Newcomer extends Arrival {
  /** Only with `auth_type = plain` (or a line of auth_hba_file that says so): the client has been asked for it before. */
  readonly password: string | undefined;
}

/**
 * - `true`: is in, and is asked for no proof.
 * - `false`: is refused, in the words for a wrong password.
 * - `secret`: has to prove by the method of the configuration that it knows this: a password, an md5 or a SCRAM secret.
 * - `undefined`: is treated as if there were no hook.
 */
export type Verdict = boolean | undefined | { readonly secret: string };

/** Whom an event is about. */
export interface ObservedClient {
  /** As in the log, without `C-`. */
  readonly client: string;
  readonly user: string;
  /** Empty: it has not got as far as that. */
  readonly database: string;
  readonly address: string;
}

export interface ObservedServer {
  /** Of the pool. */
  readonly user: string;
  readonly database: string;
  readonly server: string;
}

export type ProxyEvent =
  | ({ readonly type: 'clientConnected' | 'clientLoggedIn' } & ObservedClient)
  | ({ readonly type: 'clientLeft' } & ObservedClient)
  /** The client was told this by the proxy, and disconnected. `code`: SQLSTATE. */
  | ({ readonly type: 'error'; readonly message: string; readonly code: string } & ObservedClient)
  | ({ readonly type: 'serverConnected'; readonly durationMs: number } & ObservedServer)
  | ({ readonly type: 'serverClosed'; readonly reason: string } & ObservedServer)
  /** One that a server has answered; several that were sent in one go are one. */
  | { readonly type: 'query' | 'transaction'; readonly user: string; readonly database: string; readonly durationMs: number };

export interface Hooks {
  /**
   * Decides about a client, also about one that wants the console. What it throws is logged, and the client is refused as with a wrong
   * password. It is not asked where the proxy knows by itself who is there: about its own user on a Unix socket that nobody else can open.
   */
  authenticate?(newcomer: Newcomer): Verdict | Promise<Verdict>;
  /**
   * Chooses the entry of `[databases]` that a client gets, before it has proved who it is; undefined: the one that it asked for. It is not
   * asked about the console. What it throws is logged, and the client is refused.
   */
  route?(arrival: Arrival): string | undefined | Promise<string | undefined>;
  /** Is told what happens, in the middle of it: it has to be quick. What it throws is logged, once for each type of event. */
  observe?(event: ProxyEvent): void;
}

const NAMES = ['authenticate', 'route', 'observe'] as const satisfies readonly (keyof Hooks)[];
/** A hook has failed: the same words as for a configuration that makes no sense. */
const HOOK_FAILED = 'bouncer config error';
const WRONG = 'password authentication failed';

/** The hooks of the module that the setting names; none if it names none. Rejects with what is wrong with it. */
export async function loadHooks({ hooks: name, conffile }: Values): Promise<Hooks> {
  if (name === '') return {};
  const file = fileNamed(name, conffile);
  let module: Record<string, unknown>;
  try {
    module = await import(pathToFileURL(file).href) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`could not load hooks from ${file}: ${wordsOf(error)}`, { cause: error });
  }
  const given = (module['default'] ?? module) as Record<string, unknown>;
  const found = NAMES.filter((each) => given[each] !== undefined);
  if (found.length === 0) throw new Error(`no hooks in ${file}: it exports none of ${NAMES.join(', ')}`);
  const odd = found.find((each) => typeof given[each] !== 'function');
  if (odd !== undefined) throw new Error(`${odd} of ${file} is no function`);
  return given;
}

/** Calls hooks, and lets nothing of what goes wrong in them get any further. */
export class HookRunner {
  readonly #hooks: Hooks;
  readonly #log: Log;
  readonly #failed = new Set<string>();
  /** Undefined: nobody looks, and nothing has to be made up for it. */
  readonly observe: ((event: ProxyEvent) => void) | undefined;

  constructor(hooks: Hooks, log: Log) {
    this.#hooks = hooks;
    this.#log = log;
    this.observe = hooks.observe === undefined ? undefined : (event) => this.#observe(event);
  }

  get authenticates(): boolean {
    return this.#hooks.authenticate !== undefined;
  }

  /** The database that a client gets. Rejects with {@link Refused}. */
  async route(client: Client, asked: string, parameters: ReadonlyMap<string, string>): Promise<string> {
    const { route } = this.#hooks;
    if (route === undefined) return asked;
    return this.#ask(client, HOOK_FAILED, 'route', async (signal) => {
      const name = await route.call(this.#hooks, arrival(client, asked, parameters, signal)) ?? asked;
      if (typeof name !== 'string') throw new TypeError(`it returned ${typeof name}, which is no name of a database`);
      return name;
    });
  }

  /** What is decided about a client that may come in. Rejects with {@link Refused}, also for one that may not. */
  async authenticate(
    client: Client, database: string, parameters: ReadonlyMap<string, string>, password: string | undefined,
  ): Promise<Exclude<Verdict, false>> {
    const { authenticate } = this.#hooks;
    if (authenticate === undefined) return undefined;
    const verdict = await this.#ask(client, WRONG, 'authenticate', async (signal) => {
      const given = await authenticate.call(this.#hooks, { ...arrival(client, database, parameters, signal), password });
      if (!isVerdict(given)) throw new TypeError('it returned something that is no verdict');
      return given;
    });
    if (verdict === false) throw new Refused(WRONG, '28P01');
    return verdict;
  }

  async #ask<T>(client: Client, told: string, name: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (client.socket.destroyed) throw new ClosedError('the connection was closed');
    const gone = new AbortController();
    let leave = (): void => undefined;
    // Nothing is to go on for somebody who is not there any more, nor to wait for a hook that does not answer.
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => {
        gone.abort(new Error('the client has gone'));
        reject(new ClosedError('the connection was closed'));
      };
    });
    client.socket.once('close', leave);
    try {
      return await Promise.race([call(gone.signal), left]);
    } catch (error) {
      if (error instanceof ClosedError) throw error;
      this.#log.error(`${client.name} hook ${name} failed: ${wordsOf(error)}`);
      throw new Refused(told, told === WRONG ? '28P01' : '08P01');
    } finally {
      client.socket.off('close', leave);
    }
  }

  #observe(event: ProxyEvent): void {
    try {
      const answer: unknown = this.#hooks.observe!(event);
      // An async function was given, which is not waited for; but it must not end the process.
      if (answer instanceof Promise) answer.catch((error: unknown) => this.#observeFailed(event, error));
    } catch (error) {
      this.#observeFailed(event, error);
    }
  }

  #observeFailed({ type }: ProxyEvent, error: unknown): void {
    if (this.#failed.has(type)) return;
    this.#failed.add(type);
    this.#log.error(`hook observe failed at ${type}, and will not be mentioned again: ${wordsOf(error)}`);
  }

  /** What is to be told how long queries and transactions take, of a pool; undefined: nobody. */
  timings({ database, credentials }: ServerPool): ((type: 'query' | 'transaction', durationMs: number) => void) | undefined {
    const { observe } = this;
    if (observe === undefined) return undefined;
    const of = { user: credentials.user, database: database.name };
    return (type, durationMs) => observe({ type, ...of, durationMs });
  }

  /** Has the server connections of a pool observed. */
  watch({ pool, database, credentials }: ServerPool): void {
    const { observe } = this;
    if (observe === undefined) return;
    const of = { user: credentials.user, database: database.name };
    pool.on('create', ({ resource, durationMs }) => observe({ type: 'serverConnected', ...of, server: resource.name, durationMs }));
    pool.on('destroy', ({ resource, reason }) => {
      const spoken = resource.broken === 'closed' ? undefined : resource.broken;
      observe({ type: 'serverClosed', ...of, server: resource.name, reason: spoken ?? resource.outdated ?? reason });
    });
  }
}

/** As events tell of a client. */
export function observed(client: Client): ObservedClient {
  const { id, user, database, address } = client;
  return { client: id.toString(16), user, database: database?.config.name ?? '', address };
}

function arrival(client: Client, database: string, parameters: ReadonlyMap<string, string>, signal: AbortSignal): Arrival {
  const { user, address, tls, stream } = client;
  return {
    user, database, address, tls, parameters, signal,
    applicationName: parameters.get('application_name'), serverName: serverNameOf(stream),
  };
}

function serverNameOf(stream: Socket): string | undefined {
  const name: unknown = stream instanceof TLSSocket ? (stream as TLSSocket & { readonly servername?: unknown }).servername : undefined;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

function isVerdict(given: unknown): given is Verdict {
  return given === undefined || typeof given === 'boolean'
    || (typeof given === 'object' && given !== null && typeof (given as { secret?: unknown }).secret === 'string');
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
