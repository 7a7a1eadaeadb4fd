// Connections to a store over TLS: kept open between requests, with certificate authorities of the operator's choice, and through
// an HTTP proxy where one is given (CONNECT, RFC 9110 9.3.6: the proxy sees host and port, never the bytes).

import { readFileSync } from 'node:fs';
import { type ClientRequestArgs, request } from 'node:http';
import { Agent, type AgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect, type ConnectionOptions } from 'node:tls';

/** Codes with which Node refuses a certificate, whichever SDK passes them on. */
export const CERTIFICATE_REFUSED =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/;

export interface ConnectionSettings {
  /** `http://host:port`, with user and password where it needs them. */
  readonly proxy: string | null;
  /** PEM file with the authorities to trust instead of Node's. */
  readonly caPath: string | null;
  readonly maxSockets: number;
}

const CONNECT_TIMEOUT_MS = 30_000;

/** An agent for `https:` requests. Reads the file of authorities once. @throws when that cannot be read */
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

  constructor(proxy: URL, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(options: ClientRequestArgs, connected?: Connected): null {
    const fail = (error: Error): void => (connected as ((error: Error) => void) | undefined)?.(error);
    const target = `${options.host}:${options.port}`;
    const { hostname, port, username, password } = this.#proxy;
    const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const tunnel = request({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : port,
      method: 'CONNECT',
      path: target,
      agent: false,
      timeout: CONNECT_TIMEOUT_MS,
      headers: {
        host: target,
        ...(username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` }),
      },
    });
    tunnel.once('timeout', () => tunnel.destroy(new Error(`the proxy did not connect to ${target}`)));
    tunnel.once('error', fail);
    tunnel.once('connect', (response, socket) => {
      if (response.statusCode === 200) connected?.(null, connect({ ...(options as ConnectionOptions), socket }));
      else {
        socket.destroy();
        fail(new Error(`the proxy answered ${response.statusCode} to CONNECT ${target}`));
      }
    });
    tunnel.end();
    return null;
  }
}
