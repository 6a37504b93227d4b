// A real Chromium, driven over its own protocol through a pair of pipes: no driver has to be installed, no port is taken. One page, in a
// profile of its own that goes with it.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const LOOK_EVERY_MS = 50;

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly method?: string;
  readonly params?: unknown;
}

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
}

export function chromium(): string | undefined {
  return PROGRAMS.find((program) => existsSync(program));
}

export class Browser {
  /** What the page complained about: exceptions, and errors on its console. */
  readonly complaints: string[] = [];
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #session: string | undefined;
  #last = 0;

  private constructor(program: string) {
    this.#profile = mkdtempSync(join(tmpdir(), 'chromium-test-'));
    this.#child = spawn(program, [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-extensions', '--disable-background-networking',
      '--disable-dev-shm-usage', '--remote-debugging-pipe', `--user-data-dir=${this.#profile}`, 'about:blank',
    ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    let text = '';
    (this.#child.stdio[4] as Readable).setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (text + chunk).split('\0');
      text = parts.pop() ?? '';
      for (const part of parts) this.#hear(JSON.parse(part) as Reply);
    });
    this.#child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('The browser has ended.'));
    });
  }

  static async open(url: string, look: Look): Promise<Browser> {
    const program = chromium();
    if (program === undefined) throw new Error('There is no Chromium on this machine.');
    const browser = new Browser(program);
    const { targetInfos } = await browser.#send<{ targetInfos: { type: string; targetId: string }[] }>('Target.getTargets');
    const { targetId } = targetInfos.find(({ type }) => type === 'page')!;
    const { sessionId } = await browser.#send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
    browser.#session = sessionId;
    await browser.#send('Runtime.enable');
    await browser.#send('Page.enable');
    await browser.look(look);
    await browser.#send('Page.navigate', { url });
    await browser.until('document.readyState === "complete" && location.href !== "about:blank"');
    return browser;
  }

  async look({ width, height, dark = false }: Look): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    await this.#send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
  }

  /** The value of an expression in the page. */
  async value<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send<{ result: { value: T }; exceptionDetails?: { text: string } }>(
      'Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** Resolves with its value when the expression is true, or anything that counts as it. The test's own timeout ends the wait. */
  async until<T>(expression: string): Promise<T> {
    for (;;) {
      const value = await this.value<T>(expression);
      if (value) return value;
      await new Promise((resolve) => { setTimeout(resolve, LOOK_EVERY_MS); });
    }
  }

  async click(selector: string): Promise<void> {
    await this.value(`document.querySelector(${JSON.stringify(selector)}).click()`);
  }

  async key(key: string, code: number): Promise<void> {
    const both = { key, code: key, windowsVirtualKeyCode: code };
    await this.#send('Input.dispatchKeyEvent', { type: 'keyDown', ...both });
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', ...both });
  }

  /** Of the whole page, as PNG. */
  async picture(file: string): Promise<void> {
    const { data } = await this.#send<{ data: string }>('Page.captureScreenshot', { captureBeyondViewport: true });
    writeFileSync(file, Buffer.from(data, 'base64'));
  }

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => { this.#child.once('exit', () => resolve()); });
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#session = undefined;
      // Asked to, it ends all its processes; killed, it leaves some that go on writing into the profile.
      this.#send('Browser.close').catch(() => undefined);
      await ended;
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #send<T = unknown>(method: string, params: unknown = {}): Promise<T> {
    const id = ++this.#last;
    const message = { id, method, params, ...(this.#session === undefined ? {} : { sessionId: this.#session }) };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      (this.#child.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    });
  }

  #hear({ id, result, error, method, params }: Reply): void {
    if (method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params));
    if (method === 'Runtime.consoleAPICalled' && (params as { type: string }).type === 'error') this.complaints.push(JSON.stringify(params));
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (waiting === undefined || id === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(error.message));
  }
}
