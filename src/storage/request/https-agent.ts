// Connections to a store over TLS: kept open between requests, with certificate authorities of the operator's choice, and through
// an HTTP proxy where one is given (CONNECT, RFC 9110 9.3.6: the proxy sees host and port, never the bytes).

import { readFileSync } from 'node:fs';
import { type ClientRequestArgs, request } from 'node:http';
import { Agent, type AgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect, type ConnectionOptions } from 'node:tls';

export interface ConnectionSettings {
  /** `http://host:port`, with user and password where it needs them. */
  readonly proxy: string | null;
  /** PEM file with the authorities to trust instead of Node's. */
  readonly caPath: string | null;
  readonly maxSockets: number;
}

const CONNECT_TIMEOUT_MS = 30_000;

/** Of an error with which the proxy ended an attempt to connect, where Node gives it no code of its own; SDKs pass no more than that on. */
const PROXY_CODE = 'EPROXY';

/** An agent for `https:` requests. Reads the file of authorities once. @throws when that cannot be read, or the proxy's escapes */
export function createHttpsAgent({ proxy, caPath, maxSockets }: ConnectionSettings): Agent {
  const options: AgentOptions = {
    keepAlive: true,
    maxSockets,
    ...(caPath === null ? {} : { ca: readFileSync(caPath) }),
  };
  return proxy === null ? new Agent(options) : new TunnelAgent(new URL(proxy), options);
}

type Connected = (error: Error | null, stream: Duplex) => void;

class TunnelAgent extends Agent {
  readonly #proxy: URL;
  readonly #login: Readonly<Record<string, string>>;

  constructor(proxy: URL, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
    const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    this.#login =
      proxy.username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` };
  }

  override createConnection(options: ClientRequestArgs, connected?: Connected): null {
    const fail = (error: Error): void => (connected as ((error: Error) => void) | undefined)?.(error);
    const target = `${options.host}:${options.port}`;
    const { hostname, port, host } = this.#proxy;
    const tunnel = request({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : port,
      method: 'CONNECT',
      path: target,
      agent: false,
      timeout: CONNECT_TIMEOUT_MS,
      headers: { host: target, ...this.#login },
    });
    tunnel.once('timeout', () => tunnel.destroy(new Error(`did not connect to ${target}`)));
    tunnel.once('error', (error) => fail(proxyError(`the proxy ${host}: ${error.message}`, error)));
    tunnel.once('connect', (response, socket) => {
      if (response.statusCode === 200) connected?.(null, connect({ ...(options as ConnectionOptions), socket }));
      else {
        socket.destroy();
        fail(proxyError(`the proxy answered ${response.statusCode} to CONNECT ${target}`));
      }
    });
    tunnel.end();
    return null;
  }
}

/** What the proxy answered to an attempt to connect through it; undefined where the failure is not the proxy's. */
export function failureOfProxy(message: string): { readonly status: number | undefined } | undefined {
  const found = /\bthe proxy (?:answered (\d+) to CONNECT |\S+: )/.exec(message);
  if (found === null) return undefined;
  return { status: found[1] === undefined ? undefined : Number(found[1]) };
}

function proxyError(message: string, { code = PROXY_CODE }: NodeJS.ErrnoException = new Error()): Error {
  return Object.assign(new Error(message), { code });
}
