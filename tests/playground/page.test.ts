// The page in a real Chromium, served by the program as `npm start` runs it: it moves with the load, its controls move the load, it says
// what was done, and it fits on a phone. With SCREENSHOTS=<folder> it leaves pictures there.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Browser, browserIsThere, type Page } from '../support/browser.ts';
import { buildLab, startProgram, type Started } from '../support/lab-program.ts';

const WIDE = { width: 1360, height: 960 };

/** What a chart's legend says, as a number. */
const figure = (chart: string, index: number): string =>
  `Number(document.querySelectorAll('#${chart} strong')[${index}].textContent.replace(/[^\\d.]/g, ''))`;

const serverIs = (state: string): string => `document.querySelector('#server').className === '${state}'`;

describe.skipIf(!browserIsThere())('the page', () => {
  let temporary: string;
  let program: Started;
  let browser: Browser;
  let page: Page;
  let url: string;

  beforeAll(async () => {
    buildLab();
    temporary = mkdtempSync(join(tmpdir(), 'playground-test-'));
    chmodSync(temporary, 0o755);
    program = startProgram('playground/main.js', temporary, '--quiet', '--users', '40');
    url = (await program.said('/\n')).trim();
    browser = await Browser.start();
    page = await browser.page(WIDE);
    await page.open(url);
  });

  beforeEach(() => page.show(WIDE));

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    program.child.kill('SIGINT');
    await program.ended;
    rmSync(temporary, { recursive: true, force: true });
  });

  const picture = async (name: string): Promise<void> => {
    const folder = process.env['SCREENSHOTS'];
    if (folder !== undefined) writeFileSync(join(folder, `${name}.png`), await page.picture());
  };

  it('moves with the load: figures, lines, and a control at a time', async () => {
    await page.until(`${figure('throughput', 0)} > 0 && ${figure('requests', 0)} > 0`);
    const line = "document.querySelector('#throughput path.line').getAttribute('d')";
    const before = await page.evaluate<string>(line);
    await page.until(`${line} !== ${JSON.stringify(before)}`);

    // By the keyboard, as far as it goes to the left.
    await page.evaluate("document.querySelector('#users').focus()");
    const at = await page.evaluate<number>("Number(document.querySelector('#users').value)");
    for (let step = 0; step < at; step += 1) await page.press('ArrowLeft');
    await page.until(`${figure('throughput', 0)} === 0 && document.querySelector('#users').getAttribute('aria-valuetext') === '0'`);
    await page.press('ArrowRight');
    await page.until(`${figure('throughput', 0)} > 0`);
    expect(page.complaints).toEqual([]);
  });

  it('puts a mark at the moment of a change, and a point on the curve for each size that has settled', async () => {
    const points = "document.querySelector('#curve svg').querySelectorAll('circle.dot').length";
    await page.until(`${points} >= 1`);
    await page.evaluate("Object.assign(document.querySelector('#size'), { value: 1 }).dispatchEvent(new Event('input'))");
    await page.until("[...document.querySelectorAll('#throughput .mark title')].some((title) => title.textContent === 'pool of 2')");
    await page.until(`${points} >= 2 && document.querySelector('circle.here')`);
    await page.until("document.querySelector('#words').children.length >= 2");
    await picture('sizes');
  });

  it('says that the database was killed, what that does to requests, and that all is well again', async () => {
    expect(await page.evaluate("document.querySelector('#act-start').disabled")).toBe(true);
    await page.click('#act-kill');
    await page.until(`${serverIs('down')} && document.querySelector('#errors').innerText.includes('ERR_POOL_UNAVAILABLE')`);
    await page.until("document.querySelector('#news').textContent === 'database killed'");
    await page.click('#act-start');
    await page.until(`${serverIs('up')} && ${figure('throughput', 0)} > 0`);
    await picture('killed');
  });

  it('shows who leaks', async () => {
    await page.click('#act-leak');
    await page.until("document.querySelector('#holders').innerText.includes('forgot its release')");
    await page.until("document.querySelector('#act-give-back').textContent === 'Give 1 back'");
    await page.click('#act-give-back');
    await page.until("document.querySelector('#act-give-back').disabled");
  });

  it('leads through its tour: a step does what it says and is ticked off', async () => {
    const shown = (title: string): string => `document.querySelector('#tour li:not([hidden]) b').textContent === '${title}'`;
    await page.until(shown('1. Read the screen'));
    for (let step = 1; step <= 3; step += 1) await page.click('#next');
    await page.until(shown('4. Take the pool away'));
    await page.evaluate("[...document.querySelectorAll('#tour button')].find((button) => button.textContent === 'One for all').click()");
    await page.until("document.querySelector('#handling').value === 'shared' && document.querySelector('#size').disabled");
    await page.until("document.querySelector('#tour li.done b').textContent === '4. Take the pool away'");
    await page.evaluate("[...document.querySelectorAll('#tour button')].find((button) => button.textContent === 'The pool').click()");
    await page.until("document.querySelector('#handling').value === 'pool'");
  });

  it('fits on a phone, and is dark where its reader wants that', async () => {
    const ground = "getComputedStyle(document.body).backgroundColor";
    const light = await page.evaluate<string>(ground);
    await page.show({ width: 390, height: 844, dark: true, mobile: true });
    await page.until(`${ground} !== ${JSON.stringify(light)}`);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    await picture('phone');
  });

  it('leads to the console of its pool', async () => {
    const console = await browser.page(WIDE);
    const href = await page.evaluate<string>("document.querySelector('#console').href");
    expect(href).toBe(`${url}console/`);
    await console.open(href);
    await console.until("document.body.innerText.includes('playground')");
    expect([...page.complaints, ...console.complaints]).toEqual([]);
  });
});
