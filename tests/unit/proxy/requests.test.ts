import { describe, expect, it } from 'vitest';
import { Requests } from '../../../packages/proxy/src/server/requests.ts';
import { FROM_CLIENT, FROM_SERVER } from '../../../packages/proxy/src/wire/pg/types.ts';

/** Plays a conversation: names of what is sent, then `<` and names of what comes. Tells what is owed in the end. */
function play(script: string): { owed: number; requests: Requests; failed: number } {
  const requests = new Requests();
  let failed = 0;
  for (const word of script.trim().split(/\s+/)) {
    if (word.startsWith('<')) {
      requests.came(FROM_SERVER[word.slice(1) as keyof typeof FROM_SERVER]);
      failed += requests.failed.length;
    } else requests.sent({ type: FROM_CLIENT[word as keyof typeof FROM_CLIENT], own: false });
  }
  return { owed: requests.owed, requests, failed };
}

describe('nothing is owed any more', () => {
  it.each([
    ['a query', 'query <rowDescription <dataRow <commandComplete <readyForQuery'],
    ['a query of several statements', 'query <commandComplete <rowDescription <dataRow <commandComplete <readyForQuery'],
    ['an empty query', 'query <emptyQueryResponse <readyForQuery'],
    ['a query that fails', 'query <errorResponse <readyForQuery'],
    ['a function call', 'functionCall <functionCallResponse <readyForQuery'],
    ['an extended query',
      'parse bind describe execute sync <parseComplete <bindComplete <rowDescription <dataRow <commandComplete <readyForQuery'],
    ['a described statement', 'parse describe sync <parseComplete <parameterDescription <noData <readyForQuery'],
    ['a portal that stops half way', 'bind execute sync <bindComplete <dataRow <portalSuspended <readyForQuery'],
    ['an extended query that fails in the beginning', 'parse bind execute sync <errorResponse <readyForQuery'],
    ['several syncs', 'parse sync bind sync <parseComplete <readyForQuery <bindComplete <readyForQuery'],
    ['a COPY by a query', 'query <copyInResponse copyDone <commandComplete <readyForQuery'],
    ['a COPY that the client gives up', 'query <copyInResponse copyFail <errorResponse <readyForQuery'],
    ['a COPY that the server gives up before its end was sent', 'query <copyInResponse <errorResponse <readyForQuery copyDone'],
    ['a COPY that the server gives up while its end is on the way', 'query <copyInResponse copyDone <errorResponse <readyForQuery'],
    ['an extended COPY, whose first sync the server ignores',
      'parse bind execute sync <parseComplete <bindComplete <copyInResponse copyDone sync <commandComplete <readyForQuery'],
    ['an extended COPY sent as a whole',
      'parse bind execute copyDone sync <parseComplete <bindComplete <copyInResponse <commandComplete <readyForQuery'],
    ['a COPY out', 'query <copyOutResponse <copyData <copyDone <commandComplete <readyForQuery'],
  ])('after %s', (_, script) => {
    const { owed, requests } = play(script);
    expect({ owed, copying: requests.copyingIn }).toEqual({ owed: 0, copying: false });
  });
});

describe('something is still owed', () => {
  it.each([
    ['before the ReadyForQuery of a query', 'query <commandComplete', 1],
    ['by a second sync', 'parse sync parse sync <parseComplete <readyForQuery', 2],
    ['by what stands behind the sync of what failed', 'parse bind sync parse sync <errorResponse <readyForQuery', 2],
    ['by a query that was sent before the first was answered', 'query query <commandComplete <readyForQuery', 1],
    ['by the sync behind a COPY', 'execute sync <copyInResponse copyDone sync <commandComplete', 1],
  ])('%s', (_, script, owed) => {
    expect(play(script).owed).toBe(owed);
  });
});

it('takes with an error what stands before the next sync, and nothing of a query', () => {
  expect(play('parse bind execute sync <errorResponse').failed).toBe(3);
  expect(play('query parse sync <errorResponse').failed).toBe(0);
});

it('takes no notice for an answer', () => {
  expect(play('query <noticeResponse <notificationResponse <parameterStatus').owed).toBe(1);
  expect(play('<noticeResponse <notificationResponse').owed).toBe(0);
});

it('keeps what is answered here in its place', () => {
  const requests = new Requests();
  const answer = Buffer.from('mine');
  requests.sent({ type: FROM_CLIENT.parse, own: false });
  requests.sent({ type: 0, own: false, answer });
  expect(requests.answerable()).toBeUndefined();
  requests.came(FROM_SERVER.parseComplete);
  expect(requests.answerable()?.answer).toBe(answer);
  expect(requests.answerable()).toBeUndefined();
  expect(requests.owed).toBe(0);
});

describe('a Sync is still to come', () => {
  it.each([
    ['behind an answer that was asked for with Flush', 'parse describe <parseComplete <parameterDescription <noData', true],
    ['not behind its Sync', 'parse describe sync <parseComplete <parameterDescription <noData <readyForQuery', false],
    ['not behind a query, which ends what was open', 'parse query <parseComplete <commandComplete <readyForQuery', false],
    ['behind an error, though nothing is owed', 'parse bind execute <errorResponse', true],
    ['behind an error and what was sent after it, which is ignored', 'parse <errorResponse bind execute query', true],
    ['not behind the Sync after an error', 'parse <errorResponse bind execute query sync <readyForQuery', false],
    ['behind a COPY that has ignored it',
      'parse bind execute sync <parseComplete <bindComplete <copyInResponse copyDone <commandComplete', true],
    ['not behind a COPY that was sent as a whole',
      'parse bind execute copyDone sync <parseComplete <bindComplete <copyInResponse <commandComplete <readyForQuery', false],
    ['not behind a COPY of a query', 'query sync <copyInResponse copyDone <commandComplete <readyForQuery', false],
  ])('%s', (_, script, open) => {
    const { owed, requests } = play(script);
    expect({ owed, open: requests.isOpen }).toEqual({ owed: 0, open });
  });
});
