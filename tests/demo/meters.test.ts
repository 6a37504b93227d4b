// The meters: what they read out of the system's tables, and that they count what really happens.
import { createServer, connect, Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { cpuBetween, familyFromPs, parseStat, readCpu } from '../../lab/src/demo/meters/cpu.ts';
import { countAttempts } from '../../lab/src/demo/meters/attempts.ts';
import { newSockets, parseTimeWait } from '../../lab/src/demo/meters/sockets.ts';

describe('CPU', () => {
  it('reads a process with brackets and spaces in its name', () => {
    const line = '4242 (post) gres: x (y)) S 7 4242 4242 0 -1 4194304 900 0 0 0 120 30 400 50 20 0 1 0 12345 1000 100';
    expect(parseStat(line)).toEqual({ parent: 7, ownMs: 1500, reapedMs: 4500 });
  });

  it('adds up a family from ps, however it writes the time', () => {
    const output = '    1     0   0:01.00\n   10     1   0:01.52\n   11    10   1:00\n   12    10 1-02:03:04\n   13    11   9:99\n';
    expect(familyFromPs(output, 10)).toBeCloseTo(1520 + 60_000 + (86_400 + 7384) * 1000);
    expect(familyFromPs(output, 99)).toBeUndefined();
  });

  it('has no figure for a server that it cannot see', () => {
    const reading = readCpu(undefined);
    expect(cpuBetween(reading, readCpu(undefined)).serverMs).toBeUndefined();
    expect(cpuBetween(reading, readCpu(undefined)).clientMs).toBeGreaterThanOrEqual(0);
  });
});

describe('sockets in TIME_WAIT', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1',
    '   1: 0100007F:1538 0100007F:C001 06 00000000:00000000 03:00000A1B 00000000 0 0 0',
    '   2: 0100007F:C002 0100007F:1538 06 00000000:00000000 03:00000A1B 00000000 0 0 0',
    '   3: 0100007F:C003 0100007F:1538 01 00000000:00000000 00:00000000 00000000 0 0 2',
    '   4: 0100007F:C004 0100007F:1F90 06 00000000:00000000 03:00000A1B 00000000 0 0 0',
  ].join('\n');

  it('are found by port, at either end, in no other state', () => {
    expect(parseTimeWait(table, 5432)).toEqual(['0100007F:1538 0100007F:C001', '0100007F:C002 0100007F:1538']);
    expect(parseTimeWait(table, 8080)).toHaveLength(1);
  });

  it('count only as far as they were not there before', () => {
    expect(newSockets(new Set(['a', 'b']), new Set(['b', 'c', 'd']))).toBe(2);
    expect(newSockets(undefined, new Set(['a']))).toBeUndefined();
  });
});

describe('connection attempts', () => {
  const READY = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

  async function listening(): Promise<{ port: number; sockets: Socket[]; close: () => void }> {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const { port } = server.address() as { port: number };
    return { port, sockets, close: () => { sockets.forEach((socket) => socket.destroy()); server.close(); } };
  }

  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => { setTimeout(resolve, 2); });
  };

  it('are under way from connect to ReadyForQuery or to the end of the socket, and other ports are nobody\'s business', async () => {
    const ours = await listening();
    const other = await listening();
    const original = Socket.prototype.connect;
    const meter = countAttempts(ours.port);
    const clients: Socket[] = [];
    try {
      clients.push(new Socket().connect(ours.port, '127.0.0.1'), new Socket().connect(ours.port, '127.0.0.1'));
      clients.push(connect({ port: ours.port, host: '127.0.0.1' }));
      clients.push(connect(other.port, '127.0.0.1'));
      expect(meter.peak).toBe(3);
      await until(() => ours.sockets.length === 3);
      ours.sockets[0]?.write(READY);
      ours.sockets[1]?.destroy();
      await until(() => clients.some((client) => client.destroyed) && clients.some((client) => client.bytesRead === READY.length));
      meter.takePeak();
      await until(() => meter.takePeak() === 1);
      clients.push(new Socket().connect(ours.port, '127.0.0.1'));
      expect(meter.takePeak()).toBe(2);
      expect(meter.peak).toBe(3);
      expect(meter.total).toBe(4);
    } finally {
      meter.stop();
      clients.forEach((client) => client.destroy());
      ours.close();
      other.close();
    }
    expect(Socket.prototype.connect).toBe(original);
  });
});
