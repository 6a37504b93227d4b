// What a worker answers when all of them are asked.

import { COMMANDS, SHOWS } from '../admin/commands.ts';
import { set } from '../admin/commands/set.ts';
import { CommandError } from '../admin/table.ts';
import { familiesOf } from '../http/metrics.ts';
import { obstacleOf } from '../http/server.ts';
import type { Proxy } from '../proxy.ts';
import type { Question, Result, Up } from './messages.ts';
import { snapshotOf } from './records.ts';

export class Answering {
  readonly #proxy: Proxy;
  readonly #send: (message: Up) => void;
  /** By the number of the question: to give it up. */
  readonly #running = new Map<number, AbortController>();

  constructor(proxy: Proxy, send: (message: Up) => void) {
    this.#proxy = proxy;
    this.#send = send;
  }

  async take(id: number, question: Question): Promise<void> {
    const running = new AbortController();
    this.#running.set(id, running);
    const result = await this.#result(question, running.signal);
    this.#running.delete(id);
    this.#send({ kind: 'answer', id, result });
  }

  withdraw(id: number, reason: unknown): void {
    this.#running.get(id)?.abort(reason);
  }

  async #result(question: Question, signal: AbortSignal): Promise<Result> {
    try {
      return { ok: true, value: await this.#answer(question, signal) };
    } catch (error) {
      const code = error instanceof CommandError ? error.code : 'XX000';
      return { ok: false, message: error instanceof Error ? error.message : String(error), code };
    }
  }

  #answer(question: Question, signal: AbortSignal): unknown {
    const proxy = this.#proxy;
    switch (question.kind) {
      case 'command': return COMMANDS.get(question.name)!({ proxy, argument: question.argument, signal });
      case 'set': return set(proxy, question.key, question.value);
      case 'show': return SHOWS.get(question.what)!(proxy);
      case 'cancel': return proxy.cancelHere(Buffer.from(question.key, 'hex'));
      case 'welcome': return welcomeHere(proxy, question.database, question.user);
      case 'visitors': return [...proxy.clients.values()].filter((client) => client.console !== undefined).length;
      case 'records': return snapshotOf(proxy.statistics, performance.now());
      case 'metrics': return familiesOf(proxy);
      case 'obstacle': return obstacleOf(proxy);
    }
  }
}

function welcomeHere({ router }: Proxy, database: string, user: string): ReadonlyMap<string, string> | undefined {
  return [...router.pools.values()].find((pool) => pool.database.name === database && pool.credentials.user === user)?.welcome;
}
