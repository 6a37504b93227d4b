// A real Chromium, driven over its DevTools protocol: pages are opened, looked at, clicked and photographed. It has a profile of its own
// below the temporary folder and ends with the test.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'undici';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const chromium = NAMES.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);

/** The program is the machine's. Where it is missing the tests are left out, loudly; in CI that is a failure. */
export function browserIsThere(): boolean {
  if (chromium !== undefined) return true;
  const message = `Chromium (${NAMES.join(', ')}) is not on this machine: tests in a browser are left out.`;
  if (process.env['CI'] === 'true') throw new Error(`${message} In CI it must be there.`);
  process.stderr.write(`\n!!! ${message}\n\n`);
  return false;
}

interface Answer {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly mobile?: boolean;
}

/** One page. */
export class Page {
  /** What the page's script threw or complained of, and what it was not allowed. */
  readonly complaints: string[] = [];
  readonly #send: (method: string, params?: object) => Promise<unknown>;

  constructor(send: (method: string, params?: object) => Promise<unknown>) {
    this.#send = send;
  }

  /** @internal */
  heard(method: string, params: unknown): void {
    if (method === 'Runtime.exceptionThrown') {
      const { exceptionDetails } = params as { exceptionDetails: { text: string; exception?: { description?: string } } };
      this.complaints.push(exceptionDetails.exception?.description ?? exceptionDetails.text);
    } else if (method === 'Log.entryAdded') {
      const { entry } = params as { entry: { level: string; text: string; source: string } };
      if (entry.level === 'error' && entry.source !== 'network') this.complaints.push(entry.text);
    }
  }

  async open(url: string): Promise<void> {
    await this.#send('Page.navigate', { url });
    await this.until('document.readyState === "complete"');
  }

  /** What an expression of JavaScript is there; promises are waited for. */
  async evaluate<R>(expression: string): Promise<R> {
    const answer = await this.#send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    const { result,
      exceptionDetails } = answer as { result: { value: R }; exceptionDetails?: { text: string; exception?: { description?: string } } };
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Resolves when an expression is true there. */
  async until(expression: string, timeoutMs = 20_000): Promise<void> {
    for (const end = performance.now() + timeoutMs; !(await this.evaluate<boolean>(`Boolean(${expression})`));) {
      if (performance.now() > end) throw new Error(`the page did not come to this: ${expression}; it says: ${await this.text()}`);
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
  }

  text(selector = 'body'): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`);
  }

  async click(selector: string): Promise<void> {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
  }

  async press(key: string): Promise<void> {
    // What a key writes is what makes a button act on Enter.
    const written = key === 'Enter' ? { text: '\r', windowsVirtualKeyCode: 13 } : {};
    for (const type of ['keyDown', 'keyUp']) await this.#send('Input.dispatchKeyEvent', { type, key, code: key, ...written });
  }

  async show({ width, height, dark = false, mobile = false }: View): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile });
    await this.#send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
  }

  /** As PNG. */
  async picture(): Promise<Buffer> {
    const { data } = await this.#send('Page.captureScreenshot', { format: 'png' }) as { data: string };
    return Buffer.from(data, 'base64');
  }
}

export class Browser implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #pages = new Map<string, Page>();
  #next = 1;

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#heard(JSON.parse(data as string) as Answer));
  }

  static async start(): Promise<Browser> {
    if (chromium === undefined) throw new Error('there is no Chromium on this machine');
    const profile = mkdtempSync(join(tmpdir(), 'millpond-browser-'));
    const child = spawn(chromium, [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-port=0',
      `--user-data-dir=${profile}`, 'about:blank',
      // A group of its own, because its helpers do not end with it: they go on writing into the profile.
    ], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    const url = await new Promise<string>((resolve, reject) => {
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        const found = /DevTools listening on (\S+)/.exec(said)?.[1];
        if (found !== undefined) resolve(found);
      });
      child.once('exit', () => reject(new Error(`Chromium ended: ${said}`)));
    });
    const socket = new WebSocket(url);
    await once(socket as never, 'open');
    return new Browser(child, profile, socket);
  }

  async page(view: View = { width: 1280, height: 900 }): Promise<Page> {
    const { targetId } = await this.#call('Target.createTarget', { url: 'about:blank' }) as { targetId: string };
    const { sessionId } = await this.#call('Target.attachToTarget', { targetId, flatten: true }) as { sessionId: string };
    const page = new Page((method, params) => this.#call(method, params, sessionId));
    this.#pages.set(sessionId, page);
    for (const domain of ['Page', 'Runtime', 'Log']) await this.#call(`${domain}.enable`, {}, sessionId);
    await page.show(view);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#socket.close();
    process.kill(-this.#process.pid!, 'SIGKILL');
    await gone;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  #call(method: string, params: object = {}, sessionId?: string): Promise<unknown> {
    const id = this.#next++;
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    return new Promise((resolve, reject) => { this.#calls.set(id, { resolve, reject }); });
  }

  #heard({ id, sessionId, method, params, result, error }: Answer): void {
    if (id === undefined) {
      if (sessionId !== undefined && method !== undefined) this.#pages.get(sessionId)?.heard(method, params);
      return;
    }
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(error.message));
  }
}
