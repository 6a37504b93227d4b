// The console's page in a real Chromium: whether it tells the truth, whoever reads it, and whatever happens to the process.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Pool } from 'millpond';
import { createConsole, type ConsoleOptions } from 'millpond/console';
import { Browser, browserIsThere, type Page } from '../support/browser.ts';
import { compiledLibrary } from '../support/compiled.ts';

/** Pictures to be looked at; nobody needs them. */
const PICTURES = join(tmpdir(), 'millpond-console-pictures');

describe.runIf(browserIsThere())('the page', () => {
  const library = join(compiledLibrary(), 'millpond');
  let browser: Browser;
  const undo: (() => unknown)[] = [];
  beforeAll(async () => { browser = await Browser.start(); });
  afterAll(() => browser?.[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  function open(name: string, options: Partial<ConstructorParameters<typeof Pool<object>>[0]> = {}): Pool<object> {
    const pool = new Pool<object>({ name, max: 4, factory: { create: () => ({}), destroy: () => undefined }, ...options });
    undo.push(() => pool.close({ deadlineMs: 0 }));
    return pool;
  }

  async function show(options: ConsoleOptions = {}): Promise<string> {
    const shown = createConsole(options);
    const { url, close } = await shown.listen();
    undo.push(() => shown.close(), close);
    return url;
  }

  async function pageAt(url: string): Promise<Page> {
    const page = await browser.page();
    await page.open(url);
    undo.push(() => {
      expect(page.complaints).toEqual([]);
    });
    return page;
  }

  const picture = async (page: Page, name: string): Promise<void> => {
    mkdirSync(PICTURES, { recursive: true });
    writeFileSync(join(PICTURES, `${name}.png`), await page.picture());
  };

  it('tells what the pool says, while load runs and when it has ended', async () => {
    const pool = open('orders', { acquireTimeoutMs: 60_000 });
    open('users');
    const url = await show();
    let running = true;
    const callers = Array.from({ length: 12 }, async () => {
      while (running) await pool.use(() => new Promise((resolve) => { setTimeout(resolve, 5); }), { label: 'GET /orders' });
    });
    const page = await pageAt(url);
    await page.until('document.querySelectorAll("#pools li").length === 2');
    await page.until('document.querySelector("#tiles b").innerText === "4 / 4"');
    await page.until('document.querySelector("#pools li").innerText.includes("8 waiting")');
    await page.until('document.querySelectorAll("#slots .busy").length === 4 && document.querySelectorAll("#slots .waiter").length === 8');
    expect(await page.evaluate('document.querySelector("#slots").getAttribute("aria-label")')).toContain('4 borrowed, 0 idle');
    await page.click('#tab-slow');
    await page.until('document.querySelector("#verdict").innerText.startsWith("Callers wait because all 4 are out")');
    await picture(page, 'slow');
    await page.click('#tab-holds');
    await page.until('document.querySelectorAll("#holders tbody tr").length === 4');
    expect(await page.text('#holders')).toContain('GET /orders');
    running = false;
    await Promise.all(callers);
    const held = await pool.acquire({ label: 'nightly report' });
    await page.until('document.querySelectorAll("#holders tbody tr").length === 1');
    await page.until('document.querySelector("#holders").innerText.includes("nightly report")');
    await page.click('#tab-now');
    const { totals } = pool.stats();
    await page.until('document.querySelector("#tiles b").innerText === "1 / 4"');
    await page.until('document.querySelector("#pools li").innerText.includes("nobody waits")');
    expect(await page.evaluate('state.snapshot.pools[0].stats.totals.served')).toBe(totals.served);
    expect(await page.evaluate('state.snapshot.detail.wait.count')).toBeGreaterThan(0);
    await picture(page, 'now');
    held.release();
  });

  it('shows text as text, whoever wrote it', async () => {
    const evil = '<img src=x onerror="document.title=1">';
    const pool = open(evil);
    const lease = await pool.acquire({ label: evil });
    const page = await pageAt(await show());
    await page.click('#tab-holds');
    await page.until('document.querySelector("#holders").innerText.includes("onerror")');
    expect(await page.text('#name')).toBe(evil);
    expect(await page.evaluate('document.querySelectorAll("main img, nav img").length')).toBe(0);
    lease.release();
  });

  it('changes a pool when it may, says what came of it, and has nothing to click when it may not', async () => {
    const pool = open('orders');
    const reading = await pageAt(await show());
    await reading.click('#tab-config');
    await reading.until('document.querySelectorAll("#settings tr").length > 10');
    expect(await reading.evaluate('document.querySelector("#doing").hidden')).toBe(true);
    const lost = await pool.acquire({ label: 'lost' });
    const page = await pageAt(await show({ actions: true }));
    await page.click('#tab-config');
    await page.until('document.querySelector("#max").value === "4"');
    await page.evaluate('document.querySelector("#max").value = "9"');
    await page.evaluate('document.querySelector("#max").dispatchEvent(new Event("input"))');
    await page.click('#resize button');
    await page.until('document.querySelector("#said").innerText === "orders resized: min 0, max 9"');
    expect(pool.stats().max).toBe(9);
    await page.click('[data-do="pause"]');
    await page.until('document.querySelector("#state").innerText === "paused"');
    await page.click('[data-do="resume"]');
    await page.until('document.querySelector("#state").innerText === "open"');
    await page.click('#tab-holds');
    await page.evaluate('window.confirm = () => true');
    await page.until('document.querySelector("#holders .danger")');
    await page.click('#holders .danger');
    await page.until('document.querySelector("#holders").innerText.includes("Nobody holds anything")');
    expect(lost.ended).toBe(true);
    await page.click('#tab-events');
    for (const words of ['max 9', 'paused', 'resumed', 'was ended by its borrower']) {
      await page.until(`document.querySelector("#events").innerText.includes("${words}")`);
    }
  });

  it('is worked by keyboard, and readable for who hears it', async () => {
    open('orders');
    open('users');
    const page = await pageAt(await show());
    await page.until('document.querySelectorAll("#pools li").length === 2');
    await page.evaluate('document.querySelector("#tab-now").focus()');
    for (const [key, tab] of [['ArrowRight', 'slow'], ['End', 'config'], ['ArrowRight', 'now'], ['ArrowLeft', 'config'], ['Home', 'now']]) {
      await page.press(key!);
      await page.until(`document.activeElement.id === "tab-${tab}" && !document.querySelector("#panel-${tab}").hidden`);
    }
    await page.evaluate('document.querySelector("#pools li:nth-child(2) button").focus()');
    await page.press('Enter');
    await page.until('document.querySelector("#name").innerText === "users"');
    expect(await page.evaluate(`[...document.querySelectorAll('button, input, select')].filter((each) =>
      (each.innerText || each.labels?.[0]?.innerText || each.getAttribute('aria-label') || '').trim() === '').map((each) =>
        each.outerHTML)`)).toEqual([]);
    expect(await page.evaluate(`[...document.querySelectorAll('[role=img]')].filter((each) =>
      !each.closest('[hidden]') && !each.getAttribute('aria-label')).map((each) => each.outerHTML)`)).toEqual([]);
    expect(await page.evaluate(`[...document.querySelectorAll('[aria-controls]')].filter((each) =>
      !document.getElementById(each.getAttribute('aria-controls'))).map((each) => each.outerHTML)`)).toEqual([]);
    expect(await page.evaluate(`['header', 'nav', 'main', 'h1', 'h2'].filter((each) =>
      document.querySelectorAll(each).length !== 1)`)).toEqual([]);
  });

  it('fits a phone, and can be read by day and by night', async () => {
    const pool = open('a-pool-with-quite-a-long-name-that-nobody-would-give', { max: 60 });
    const leases = await Promise.all(Array.from({ length: 40 }, () =>
      pool.acquire({ label: 'GET /a/rather/long/path/that/does/not/break' })));
    const page = await pageAt(await show({ actions: true }));
    for (const dark of [false, true]) {
      await page.show({ width: 360, height: 740, mobile: true, dark });
      for (const tab of ['now', 'slow', 'holds', 'events', 'config']) {
        await page.click(`#tab-${tab}`);
        await page.until(`!document.querySelector("#panel-${tab}").hidden`);
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), tab).toBe(true);
        await picture(page, `phone-${tab}${dark ? '-dark' : ''}`);
      }
      expect(await page.evaluate<number>(CONTRAST)).toBeGreaterThanOrEqual(4.5);
    }
    for (const lease of leases) lease.release();
  });

  it('says that the process is gone, and goes on by itself when it is back', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/`;
    let process = await program(library, port, 'before');
    const page = await pageAt(url);
    await page.until('document.querySelector("#name").innerText === "before"');
    process.kill('SIGKILL');
    await once(process, 'exit');
    await page.until('!document.querySelector("#lost").hidden && document.querySelector("#link").innerText === "lost"');
    expect(await page.text('#name')).toBe('before');
    process = await program(library, port, 'after');
    undo.push(() => process.kill('SIGKILL'));
    await page.until('document.querySelector("#lost").hidden && document.querySelector("#link").innerText === "live"');
    await page.until('document.querySelector("#pools").innerText.includes("after")');
    expect(await page.text('#said')).toBe('The process was restarted.');
    expect(await page.text('#name')).toBe('before is gone');
  });
});

/** The least contrast of text with what is behind it. */
const CONTRAST = `(() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((value) => value / 255).map((value) => value <= .03928 ? value / 12.92 : ((value
    + .055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [.2126, .7152, .0722][index], 0);
  const behind = (node) =>
    { for (let each = node; each; each = each.parentElement) { const colour = parse(getComputedStyle(each).backgroundColor);
    if (colour[3] !== 0) return colour; } return [255, 255, 255]; };
  const texts = [...document.querySelectorAll('body *')].filter((each) => each.offsetParent !== null
    && [...each.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim() !== ''));
  return Math.min(...texts.map((each) => { const [a, b] = [light(parse(getComputedStyle(each).color)), light(behind(each))].sort((x,
    y) => y - x);
    return (a + .05) / (b + .05); }));
})()`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** A process with a pool and a console that this machine may look at. */
async function program(library: string, port: number, name: string): Promise<ChildProcess> {
  const at = (file: string): string => JSON.stringify(pathToFileURL(join(library, file)).href);
  const child = spawn(process.execPath, ['--input-type=module', '-e', `
    import { createServer } from 'node:http';
    import { Pool } from ${at('index.js')};
    import { createConsole } from ${at('console/index.js')};
    new Pool({ name: ${JSON.stringify(name)}, max: 2, factory: { create: () => ({}), destroy: () => undefined } });
    createServer(createConsole().handler).listen(${port}, '127.0.0.1', () => console.log('up'));
  `], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}
