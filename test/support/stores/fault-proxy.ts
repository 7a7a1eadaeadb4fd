// An HTTP proxy in front of a store server that spoils single requests: as networks, overloaded stores and bad memory do. What to
// do with a request is decided by the test, one by one; requests it says nothing of pass.
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export type Fault =
  /** Answers in the store's stead. */
  | Answer
  /** The store does it, and another answer comes in the place of its own. */
  | { readonly kind: 'replace-answer'; readonly by: Answer }
  /** The store does it, and the connection breaks before its answer. */
  | { readonly kind: 'lose-answer' }
  /** The connection breaks after so many bytes of the answer's body. */
  | { readonly kind: 'cut-answer'; readonly afterBytes: number }
  /** One byte of the answer's body is another one. */
  | { readonly kind: 'damage-answer' }
  /** One byte of the request's body is another one. */
  | { readonly kind: 'damage-request' }
  /** The connection breaks; the store hears nothing of it. */
  | { readonly kind: 'drop' }
  /** The store gets it only after so long, whether or not somebody still waits for its answer. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Nothing is ever answered. */
  | { readonly kind: 'hang' };

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface FaultProxyOptions {
  /** S3 signs the host that it was called by. */
  readonly keepHost?: boolean;
}

export class FaultProxy {
  /** Every request so far, spoilt or not. */
  readonly seen: SeenRequest[] = [];
  /** Asked for every request. */
  decide: (request: SeenRequest) => Fault | undefined = () => undefined;
  readonly #server: Server;
  readonly #target: URL;
  readonly #keepsHost: boolean;

  private constructor(server: Server, target: URL, { keepHost = false }: FaultProxyOptions) {
    this.#server = server;
    this.#target = target;
    this.#keepsHost = keepHost;
  }

  /** @param target `http://host:port` of the store */
  static async start(target: string, options: FaultProxyOptions = {}): Promise<FaultProxy> {
    const server = createServer();
    const proxy = new FaultProxy(server, new URL(target), options);
    server.on('request', (incoming, outgoing) => void proxy.#serve(incoming, outgoing).catch(() => outgoing.destroy()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  /** `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Spoils the next request that fits, and only that one. */
  once(fits: (request: SeenRequest) => boolean, fault: Fault): void {
    let isDone = false;
    this.decide = (seen) => {
      if (isDone || !fits(seen)) return undefined;
      isDone = true;
      return fault;
    };
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url = '', headers: sent } = incoming;
    const seen = { method, url, headers: sent };
    this.seen.push(seen);
    const fault = this.decide(seen);
    const body = await buffer(incoming);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'drop') {
      incoming.socket.destroy();
      return;
    }
    if (fault?.kind === 'answer') {
      answerWith(fault, outgoing);
      return;
    }
    if (fault?.kind === 'delay') await sleep(fault.ms);
    const answer = await this.#forward(incoming, fault?.kind === 'damage-request' ? damaged(body) : body);
    const answerBody = await buffer(answer);
    if (fault?.kind === 'lose-answer') {
      incoming.socket.destroy();
      return;
    }
    if (fault?.kind === 'replace-answer') {
      answerWith(fault.by, outgoing);
      return;
    }
    const { location, ...headers } = answer.headers;
    // Where an upload goes on is to be found where this request came in.
    const moved = location === undefined ? {} : { location: location.replace(this.#target.host, sent.host ?? '') };
    outgoing.writeHead(answer.statusCode ?? 500, { ...headers, ...moved });
    if (fault?.kind === 'cut-answer') {
      outgoing.write(answerBody.subarray(0, fault.afterBytes), () => setTimeout(() => incoming.socket.destroy(), 20));
      return;
    }
    outgoing.end(fault?.kind === 'damage-answer' ? damaged(answerBody) : answerBody);
  }

  #forward(incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { hostname, port, host } = this.#target;
      // What is signed is the request as it was sent here, its host aside.
      const headers = this.#keepsHost ? incoming.headers : { ...incoming.headers, host };
      const forwarded = request({ hostname, port, method: incoming.method, path: incoming.url, headers }, resolve);
      forwarded.once('error', reject);
      forwarded.end(body);
    });
  }
}

function answerWith({ status, headers = {}, body = '' }: Answer, outgoing: ServerResponse): void {
  outgoing.writeHead(status, headers).end(body);
}

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.floor(copy.byteLength / 2);
  copy[at] = (copy[at] ?? 0) ^ 0x20;
  return copy;
}
