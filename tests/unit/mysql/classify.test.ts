// Which failed connects are tried again.

import { classify } from 'millpond/mysql';
import { describe, expect, it } from 'vitest';

const ofServer = (errno: number): Error => Object.assign(new Error('said the server'), { errno, sqlState: 'HY000' });
const withCode = (code: string, message = 'failed'): Error => Object.assign(new Error(message), { code });

describe('a failed connect to MySQL', () => {
  it('is not tried again when the account, the database, the host or the way to authenticate is wrong', () => {
    for (const errno of [1044, 1045, 1049, 1129, 1130, 1251, 1698, 1820, 3118, 4151]) {
      expect(classify(ofServer(errno)), String(errno)).toBe('permanent');
    }
  });

  it('is tried again when the server is full, starting, stopping, or refuses for another reason', () => {
    for (const errno of [1040, 1053, 1158, 1159, 1203, 1205, 1226, 1290, 1836, 1927, 2006, 2013, 3032, 4031]) {
      expect(classify(ofServer(errno)), String(errno)).toBe('transient');
    }
  });

  it('is tried again when the network failed, and not when TLS or the options did', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'PROTOCOL_CONNECTION_LOST']) {
      expect(classify(Object.assign(withCode(code), { errno: -111 })), code).toBe('transient');
    }
    for (const code of ['HANDSHAKE_NO_SSL_SUPPORT', 'AUTH_SWITCH_PLUGIN_ERROR', 'CERT_HAS_EXPIRED', 'ERR_SOCKET_BAD_PORT', 'EACCES']) {
      expect(classify(withCode(code)), code).toBe('permanent');
    }
    expect(classify(withCode('HANDSHAKE_SSL_ERROR', 'self-signed certificate'))).toBe('permanent');
    expect(classify(withCode('HANDSHAKE_SSL_ERROR', 'read ECONNRESET'))).toBe('transient');
  });

  it('on several addresses is final only if it is on each', () => {
    expect(classify(new AggregateError([withCode('ECONNREFUSED'), withCode('EACCES')]))).toBe('transient');
    expect(classify(new AggregateError([withCode('EACCES'), withCode('EACCES')]))).toBe('permanent');
    expect(classify(undefined)).toBe('transient');
  });
});
