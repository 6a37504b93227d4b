import { describe, expect, it } from 'vitest';
import { sessionsOf } from '../../lab/src/fleet/sessions.ts';

const line = (pid: number, words: string, level = 'LOG'): string => `2026-01-01 00:00:00.000 UTC [${pid}] ${level}:  ${words}`;
const accepted = (pid: number): string => line(pid, `connection received: host=127.0.0.1 port=${40_000 + pid}`);
const known = (pid: number, role: string): string => line(pid, `connection authorized: user=${role} database=postgres`);
const gone = (pid: number, role: string): string => line(pid, `disconnection: session time: 0:00:00.010 user=${role} host=127.0.0.1`);

describe('the sessions of a role, by the server\'s log', () => {
  it('counts one from the accepted socket on, before it is known whose it is', () => {
    const log = [accepted(1), accepted(2), known(1, 'a'), gone(1, 'a'), known(2, 'a'), gone(2, 'a')].join('\n');
    expect(sessionsOf(log, 'a')).toEqual({ count: 2, most: 2, refused: 0 });
  });

  it('counts one until it is gone, and those of others not at all', () => {
    const log = [accepted(1), known(1, 'a'), accepted(2), known(2, 'b'), gone(1, 'a'), accepted(3), known(3, 'a')].join('\n');
    expect(sessionsOf(log, 'a')).toEqual({ count: 2, most: 1, refused: 0 });
    expect(sessionsOf(log, 'b')).toEqual({ count: 1, most: 1, refused: 0 });
  });

  it('knows a process number that comes again', () => {
    const log = [accepted(1), known(1, 'a'), gone(1, 'a'), accepted(1), known(1, 'a'), gone(1, 'a')].join('\n');
    expect(sessionsOf(log, 'a')).toEqual({ count: 2, most: 1, refused: 0 });
  });

  it('tells those that were refused apart', () => {
    const log = [accepted(1), known(1, 'a'), accepted(2), known(2, 'a'), line(2, 'too many connections for role "a"', 'FATAL')].join('\n');
    expect(sessionsOf(log, 'a')).toEqual({ count: 1, most: 1, refused: 1 });
  });
});
