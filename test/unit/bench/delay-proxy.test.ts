import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { DelayProxy } from '../../bench/delay-proxy.ts';

const DELAY_MS = 60;

describe('the delay proxy of the benchmark', () => {
  let echo: Server;
  let port: number;

  before(async () => {
    echo = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    ({ port } = echo.address() as AddressInfo);
  });

  after(() => echo.close());

  async function through(proxy: DelayProxy): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: Number(proxy.address.split(':')[1]), allowHalfOpen: true });
    await once(socket, 'connect');
    return socket;
  }

  for (const delayMs of [0, DELAY_MS]) {
    it(`hands on every byte in order and the end after them, ${delayMs} ms late`, async () => {
      const proxy = await DelayProxy.start(port, delayMs);
      const socket = await through(proxy);
      const sent = randomBytes(8_000_000);
      socket.end(sent);
      const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
      assert.equal(sha256(await buffer(socket)), sha256(sent));
      await proxy.stop();
    });
  }

  it('takes the delay once there and once back', async () => {
    const proxy = await DelayProxy.start(port, DELAY_MS);
    const socket = await through(proxy);
    const startedAt = performance.now();
    socket.write('ping');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    // Timers of Node may fire up to a millisecond early.
    assert.ok(performance.now() - startedAt >= 2 * DELAY_MS - 2);
    assert.equal(answer.toString(), 'ping');
    socket.destroy();
    await proxy.stop();
  });

  it('breaks open connections when it stops', async () => {
    const proxy = await DelayProxy.start(port, DELAY_MS);
    const socket = await through(proxy);
    socket.write('ping');
    // Not `once`, which takes a connection that was reset for a failure.
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {}).resume();
    await proxy.stop();
    await closed;
  });
});
