// A TCP proxy in front of a store server that is the network: slow, narrow, broken off, or silent. It knows nothing of HTTP, so that
// what it does happens in the middle of requests and answers. It counts what its trouble has met: a test in which none was met has
// shown nothing.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Trouble =
  /** Every byte arrives so much later, in both directions. */
  | { readonly kind: 'latency'; readonly ms: number }
  /** No connection carries more than this in one direction. */
  | { readonly kind: 'throttle'; readonly direction: Direction; readonly bytesPerSecond: number }
  /** All connections together carry no more than this to the store, and keep little under way, as a link of that width does. */
  | { readonly kind: 'narrow'; readonly bytesPerSecond: number }
  /** Connections end, orderly (FIN) or not (RST), after so many more bytes of one direction; each asks for its own number. */
  | {
      readonly kind: 'cut';
      readonly direction: Direction;
      readonly afterBytes: () => number;
      readonly by: 'FIN' | 'RST';
    }
  /** What is sent over connections of this time never arrives, and no end of them is told, then and later. */
  | { readonly kind: 'half-open' };

type Direction = 'to-store' | 'from-store';

/** Bytes under way in one direction; beyond it the sender has to wait. */
const MOST_UNDER_WAY_BYTES = 1024 * 1024;
const MOST_UNDER_WAY_NARROW_BYTES = 64 * 1024;

export class TcpProxy {
  /** Chunks that were late, connections that were cut, and chunks that were swallowed, since the trouble began. */
  met = 0;
  /** Of the server, for connections from now on. */
  targetPort = 0;
  /** When a narrow link has carried what it was given; by `performance.now`. */
  #linkFreeAtMs = 0;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #trouble: Trouble | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Starts on a free port. Set `targetPort` before it is used. */
  static async start(): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server);
    server.on('connection', (near: Socket) => {
      const connection = new Connection(proxy, near, connect(proxy.targetPort, '127.0.0.1'));
      proxy.#connections.add(connection);
      void connection.ended.then(() => proxy.#connections.delete(connection));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  /** `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** Begins, exchanges or (undefined) ends the trouble of all connections. */
  set trouble(trouble: Trouble | undefined) {
    this.#trouble = trouble;
    this.met = 0;
    for (const connection of this.#connections) connection.troubled(trouble);
  }

  /** Breaks all connections, so that the next requests go by `targetPort` as it is now. */
  disconnect(): void {
    for (const connection of this.#connections) connection.end('RST');
  }

  /** Takes the next place on a link of this width. */
  delayOnLink(bytes: number, bytesPerSecond: number): number {
    const nowMs = performance.now();
    this.#linkFreeAtMs = Math.max(this.#linkFreeAtMs, nowMs) + (bytes / bytesPerSecond) * 1000;
    return this.#linkFreeAtMs - nowMs;
  }

  async stop(): Promise<void> {
    this.disconnect();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** One connection of a client, and the one to the store that it stands for. */
class Connection {
  readonly ended: Promise<unknown>;
  readonly #proxy: TcpProxy;
  readonly #near: Socket;
  readonly #far: Socket;
  #isSilent = false;
  #isOver = false;
  /** Left until the connection is cut. */
  #leftBytes = Infinity;

  constructor(proxy: TcpProxy, near: Socket, far: Socket) {
    this.#proxy = proxy;
    this.#near = near;
    this.#far = far;
    this.ended = Promise.all([near, far].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    this.troubled(proxy.trouble);
    this.#carry(near, far, 'to-store');
    this.#carry(far, near, 'from-store');
  }

  troubled(trouble: Trouble | undefined): void {
    this.#leftBytes = trouble?.kind === 'cut' ? trouble.afterBytes() : Infinity;
    if (trouble?.kind === 'half-open') this.#isSilent = true;
  }

  end(by: 'FIN' | 'RST'): void {
    this.#isOver = true;
    for (const socket of [this.#near, this.#far]) {
      if (by === 'FIN' && !socket.writableEnded) socket.destroySoon();
      // Node keeps a socket for ever that is to be reset while it is being shut down.
      else if (by === 'RST' && !socket.writableEnded && socket.writableLength === 0) socket.resetAndDestroy();
      else if (by === 'RST') socket.destroy();
    }
  }

  #carry(from: Socket, to: Socket, direction: Direction): void {
    let underWayBytes = 0;
    let last = Promise.resolve();
    const inTurn = (deliver: () => Promise<void>): void => {
      last = last.then(deliver).catch(() => this.end('RST'));
    };
    from.on('data', (chunk: Buffer) => {
      const arrivedAt = performance.now();
      underWayBytes += chunk.byteLength;
      const isNarrow = this.#proxy.trouble?.kind === 'narrow';
      if (underWayBytes > (isNarrow ? MOST_UNDER_WAY_NARROW_BYTES : MOST_UNDER_WAY_BYTES)) from.pause();
      inTurn(async () => {
        await this.#deliver(chunk, to, direction, arrivedAt);
        underWayBytes -= chunk.byteLength;
        from.resume();
      });
    });
    // Of a silent connection neither side hears that the other has gone.
    const close = (): void => inTurn(async () => void (this.#isSilent || to.writableEnded || to.destroySoon()));
    from.once('end', close);
    from.once('close', close);
    from.on('error', () => this.#isSilent || this.end('RST'));
  }

  async #deliver(chunk: Buffer, to: Socket, direction: Direction, arrivedAt: number): Promise<void> {
    const trouble = this.#proxy.trouble;
    if (this.#isOver) return;
    if (this.#isSilent) {
      this.#proxy.met += 1;
      return;
    }
    if (trouble?.kind === 'cut' && trouble.direction === direction) {
      this.#leftBytes -= chunk.byteLength;
      if (this.#leftBytes < 0) {
        this.#proxy.met += 1;
        to.write(chunk.subarray(0, chunk.byteLength + this.#leftBytes));
        this.end(trouble.by);
        return;
      }
    }
    const delayMs =
      trouble?.kind === 'narrow' && direction === 'to-store'
        ? this.#proxy.delayOnLink(chunk.byteLength, trouble.bytesPerSecond)
        : delayOf(trouble, chunk, direction, arrivedAt);
    if (delayMs > 0) {
      this.#proxy.met += 1;
      await sleep(delayMs);
    }
    if (!this.#isOver && !to.destroyed && !to.write(chunk)) await drained(to);
  }
}

/** Resolves when more can be written, or nothing ever again. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

function delayOf(trouble: Trouble | undefined, chunk: Buffer, direction: Direction, arrivedAt: number): number {
  if (trouble?.kind === 'latency') return arrivedAt + trouble.ms - performance.now();
  if (trouble?.kind !== 'throttle' || direction !== trouble.direction) return 0;
  return (chunk.byteLength / trouble.bytesPerSecond) * 1000;
}
