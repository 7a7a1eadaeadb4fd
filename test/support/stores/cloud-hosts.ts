// Hosts of cloud providers, under their own names, on this machine: a proxy (CONNECT) that leads those names to one TLS server with
// certificates of a test's own authority, and refuses all others. So a store is reached and logged into exactly as in the cloud.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, request as tlsRequest } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { CertificateAuthority } from '../certificates.ts';

/** One request to a host. */
export interface HostRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface HostAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer | string;
}

export type Host = (request: HostRequest) => Promise<HostAnswer> | HostAnswer;

/** The answer that never comes. */
export const NEVER = new Promise<never>(() => {});

export class CloudHosts {
  /** `http://127.0.0.1:PORT`. */
  readonly proxy: string;
  /** `host:port` of every tunnel that was asked for. */
  readonly tunnels: string[];
  readonly #servers: readonly Server[];

  private constructor(proxy: string, tunnels: string[], servers: readonly Server[]) {
    this.proxy = proxy;
    this.tunnels = tunnels;
    this.#servers = servers;
  }

  /** Starts hosts by their names. */
  static async start(authority: CertificateAuthority, hosts: Readonly<Record<string, Host>>): Promise<CloudHosts> {
    const names = Object.keys(hosts).map((name) => `DNS:${name}`);
    const { certificate, key } = await authority.sign('cloud', names.join(','));
    const tls = createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (incoming, outgoing) => {
      const host = hosts[(incoming.headers.host ?? '').replace(/:443$/, '')];
      void answerBy(host, incoming, outgoing).catch(() => outgoing.destroy());
    });
    tls.listen(0, '127.0.0.1');
    await once(tls, 'listening');
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (incoming: IncomingMessage, socket: Duplex) => {
      tunnels.push(incoming.url ?? '');
      if (hosts[(incoming.url ?? '').replace(/:443$/, '')] === undefined) {
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      const far = connect(portOf(tls), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        far.pipe(socket).pipe(far);
      });
      for (const end of [far, socket]) end.on('error', () => {});
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    return new CloudHosts(`http://127.0.0.1:${portOf(proxy)}`, tunnels, [tls, proxy]);
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}

/** A host that hands requests on to a server of this machine, as they are. @param origin `http://` or `https://` */
export function forwardTo(origin: string): Host {
  const { protocol, hostname, port } = new URL(origin);
  return async ({ method, url, headers, body }) => {
    const options = { hostname, port, method, path: url, headers, rejectUnauthorized: false };
    const sent = protocol === 'https:' ? tlsRequest(options) : request(options);
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const { 'transfer-encoding': _, ...answered } = answer.headers;
    return { status: answer.statusCode ?? 500, headers: answered, body: await buffer(answer) };
  };
}

async function answerBy(host: Host | undefined, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { method = '', url = '', headers } = incoming;
  const body = await buffer(incoming);
  const answer = await (host?.({ method, url, headers, body }) ?? { status: 421, body: 'no such host' });
  outgoing.writeHead(answer.status, { ...answer.headers });
  outgoing.end(answer.body);
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
