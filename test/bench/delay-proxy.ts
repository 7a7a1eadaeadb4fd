// A TCP proxy on loopback that hands each byte on a fixed time after it came, there and back, as a longer wire does: it adds latency
// and takes nothing from the throughput. What is on the wire is bounded per direction. Opening a connection is not delayed.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Of one direction of one connection: at 100 ms, enough for 640 MB/s. */
const WIRE_BYTES = 64 * 1024 * 1024;

export class DelayProxy {
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(server: Server, sockets: ReadonlySet<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
  }

  /** @param port of a server on loopback @param delayMs one way; 0 hands on at once */
  static async start(port: number, delayMs: number): Promise<DelayProxy> {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.once('error', () => other.destroy());
        one.once('close', () => sockets.delete(one));
        handOn(one, other, delayMs);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new DelayProxy(server, sockets);
  }

  /** `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Timers of one delay fire in the order in which they were set, so bytes keep theirs. */
function handOn(from: Socket, to: Socket, delayMs: number): void {
  let bytesOnWire = 0;
  const later = (act: () => void): void => {
    if (delayMs === 0) act();
    else setTimeout(act, delayMs);
  };
  const resume = (): void => {
    if (bytesOnWire < WIRE_BYTES && !to.writableNeedDrain) from.resume();
  };
  to.on('drain', resume);
  from.on('data', (bytes) => {
    bytesOnWire += bytes.byteLength;
    if (bytesOnWire >= WIRE_BYTES) from.pause();
    later(() => {
      bytesOnWire -= bytes.byteLength;
      if (to.destroyed) return;
      if (to.write(bytes)) resume();
      else from.pause();
    });
  });
  from.once('end', () => later(() => to.end()));
}
