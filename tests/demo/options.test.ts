// The command line, and the words for what is in the way.
import { describe, expect, it } from 'vitest';
import { errorKind } from '../../lab/src/demo/load/errors.ts';
import { planFrom } from '../../lab/src/demo/options.ts';
import { check, explain } from '../../lab/src/demo/troubles.ts';
import { Trouble } from '../../lab/src/trouble.ts';

describe('the command line', () => {
  it('has a thousand users unless told otherwise', () => {
    expect(planFrom([])).toMatchObject({ users: 1000, quick: false, ioMs: 1, htmlFile: undefined });
    expect(planFrom(['--users', '50', '--seconds=0.5', '--io-ms', '0', '--html', 'x.html']))
      .toMatchObject({ users: 50, measureMs: 500, ioMs: 0, htmlFile: 'x.html' });
    expect(planFrom(['--help'])).toBe('help');
  });

  it('is planned to take less than 60 seconds, and less than 15 when it must be quick', () => {
    const planned = (args: string[]): number => {
      const plan = planFrom(args);
      if (plan === 'help') throw new Error('no plan');
      const { calmMs, downMs, afterMs } = plan.outage;
      return (plan.sizes.length + 3) * (plan.warmUpMs + plan.measureMs) + calmMs + downMs + afterMs;
    };
    expect(planned([])).toBeLessThan(60_000);
    expect(planned(['--quick'])).toBeLessThan(15_000);
  });

  it.each([
    [['--users', 'many'], '--users takes a whole number'], [['--users', '1.5'], 'whole'], [['--users', ''], '--users'],
    [['--seconds', '0'], '--seconds takes a number from 0.2'],
    [['--fast'], "'--fast'"], [['extra'], "'extra'"],
  ])('refuses %j with words and exit code 2', (args, words) => {
    let thrown: unknown;
    try {
      planFrom(args);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Trouble);
    expect((thrown as Trouble).message).toContain(words);
    expect((thrown as Trouble).exitCode).toBe(2);
  });
});

describe('what is in the way', () => {
  const machine = { nodeVersion: '20.19.0', freeDiskBytes: 1e9, freeMemoryBytes: 1e9, folder: '/tmp' };

  it('is said beforehand where it can be known', () => {
    expect(() => check(machine)).not.toThrow();
    expect(() => check({ ...machine, freeDiskBytes: undefined, freeMemoryBytes: undefined })).not.toThrow();
    expect(() => check({ ...machine, nodeVersion: '20.18.3' })).toThrow(/Node 20\.18\.3.*20\.19/);
    expect(() => check({ ...machine, nodeVersion: '18.20.0' })).toThrow(Trouble);
    expect(() => check({ ...machine, freeDiskBytes: 1e6 })).toThrow(/MB free below \/tmp/);
    expect(() => check({ ...machine, freeMemoryBytes: 1e7 })).toThrow(/memory/);
  });

  it.each([
    ['initdb failed: could not create directory: No space left on device', /no space left/i, /TMPDIR/],
    ['FATAL: could not map anonymous shared memory: Cannot allocate memory', /not enough memory/, /memory/],
    ['LOG: could not bind IPv4 address "127.0.0.1": Address already in use', /No port/, /again/],
    ['spawn /x/bin/initdb ENOENT', /glibc/, /Debian/],
    ['/x/bin/postgres: error while loading shared libraries: libicuuc.so.60', /glibc/, /Debian/],
    ['connect EMFILE 127.0.0.1:5', /file descriptors/, /ulimit/],
    ['No embedded PostgreSQL for sunos-x64: the npm package', /sunos-x64/, /npm test/],
  ])('is recognized in "%s"', (text, message, remedy) => {
    const found = explain(new Error('boot failed', { cause: new Error(text) }));
    const direct = explain(new Error(text));
    expect(direct).toBeInstanceOf(Trouble);
    expect((direct as Trouble).message).toMatch(message);
    expect((direct as Trouble).remedy).toMatch(remedy);
    expect(found).toBeInstanceOf(Trouble);
  });

  it('is left as it is when it is not known', () => {
    const bug = new TypeError('x is not a function');
    expect(explain(bug)).toBe(bug);
  });
});

describe('kinds of errors', () => {
  it('are few: without addresses, with their code', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:40123'), { code: 'ECONNREFUSED' });
    expect(errorKind(refused)).toBe('connect ECONNREFUSED');
    const full = Object.assign(new Error('sorry, too many clients already'), { code: '53300' });
    expect(errorKind(full)).toBe('sorry, too many clients already (53300)');
    const timeout = Object.assign(new Error('pool "x": waited 5003 ms'), { code: 'ERR_POOL_ACQUIRE_TIMEOUT', name: 'AcquireTimeoutError' });
    expect(errorKind(timeout)).toBe('AcquireTimeoutError (ERR_POOL_ACQUIRE_TIMEOUT)');
    expect(errorKind('odd')).toBe('odd');
  });
});
