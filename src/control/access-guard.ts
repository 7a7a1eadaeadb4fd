// Who may call what (threats A1 and A2). Against DNS rebinding: the Host header must name us, but for health and metrics, which
// scrapers and probes reach by whatever name a network has for us. Against pages in
// an operator's browser: a writing call with Origin, or from another site, is refused. Against neighbours: whatever writes needs the
// token; /v1 may be read freely from the loopback only. A proxy on the loopback makes its clients local: it has to authenticate them.

import type { IncomingMessage } from 'node:http';
import { isIPv4, isIPv6 } from 'node:net';
import { type ErrorBody, errorBody, protocolErrorBody } from './error-body.ts';
import type { TokenSource } from './token-file.ts';

/** `open`: anybody who reaches the port, by any name. `local`: loopback, or the token. `token`: always the token. */
export type RouteAuth = 'open' | 'local' | 'token';

/** Of a request: that of its route, or `none` where it has no route, and only its address is judged. */
export type RequestAuth = RouteAuth | 'none';

export interface Refusal {
  readonly status: number;
  readonly body: ErrorBody;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AccessRules {
  readonly token: TokenSource | null;
  /** Host names, lower case, that requests may be addressed to besides the address that they arrived at. */
  readonly hostNames: ReadonlySet<string>;
}

export const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '::1'];

/** Judges a request by its head alone, before any of its body is read. Null lets it pass. */
export async function judgeAccess(
  request: IncomingMessage,
  auth: RequestAuth,
  rules: AccessRules,
): Promise<Refusal | null> {
  const refused = judgeAddress(request, auth, rules) ?? (auth === 'token' ? judgeOrigin(request) : null);
  if (refused !== null) return refused;
  if (auth === 'open' || auth === 'none' || (auth === 'local' && isLoopback(request.socket.remoteAddress))) return null;
  return judgeToken(request, rules.token);
}

function judgeAddress(request: IncomingMessage, auth: RequestAuth, { hostNames }: AccessRules): Refusal | null {
  if (!(request.url ?? '').startsWith('/')) {
    return refusal(400, protocolErrorBody(400, 'the request target must be a path'));
  }
  const hosts = request.headersDistinct['host'] ?? [];
  const host = hosts.length === 1 ? hostNameOf(hosts[0] ?? '') : null;
  if (host === null) return refusal(400, protocolErrorBody(400, 'exactly one valid Host header is needed'));
  const isOurs = hostNames.has(host) || host === plainAddress(request.socket.localAddress);
  if (isOurs || auth === 'open') return null;
  const hint = 'Address the agent by its listening address, or add the name to control.allowed_hosts.';
  return refusal(403, errorBody(403, 'FORBIDDEN', `this host name is not served here: ${host}`, hint));
}

function judgeOrigin(request: IncomingMessage): Refusal | null {
  const site = request.headers['sec-fetch-site'] ?? 'none';
  if (request.headers.origin === undefined && (site === 'none' || site === 'same-origin')) return null;
  const hint = 'Use kafka-backup, curl or another client that is no web page.';
  return refusal(403, errorBody(403, 'FORBIDDEN', 'writing calls from a web page are refused', hint));
}

async function judgeToken(request: IncomingMessage, token: TokenSource | null): Promise<Refusal | null> {
  if (token === null) {
    const hint = 'Set control.token_file to a file with a token, start the agent again and send the token.';
    return refusal(403, errorBody(403, 'FORBIDDEN', 'no control token is configured: this call is disabled', hint));
  }
  const given = request.headersDistinct['authorization'] ?? [];
  const presented = given.length === 1 ? /^bearer +([\x21-\x7e]+) *$/i.exec(given[0] ?? '')?.[1] : undefined;
  if (presented !== undefined && (await token.matches(presented))) return null;
  const isAbsent = given.length === 0;
  const challenge = `Bearer realm="kafka-backup"${isAbsent ? '' : ', error="invalid_token"'}`;
  const message = isAbsent ? 'a token is needed' : 'the token is not valid';
  return refusal(401, errorBody(401, 'UNAUTHORIZED', message), { 'www-authenticate': challenge });
}

function refusal(status: number, body: ErrorBody, headers: Readonly<Record<string, string>> = {}): Refusal {
  return { status, body, headers };
}

/** The name in a Host header, without port and brackets, lower case; null when it is no valid host. Any port will do. */
function hostNameOf(header: string): string | null {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9]([a-z0-9._-]{0,252})))(?::\d{1,5})?$/i.exec(header);
  const bracketed = match?.[1];
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed.toLowerCase() : null;
  return match?.[2]?.toLowerCase() ?? null;
}

/** An IPv4 peer of a dual-stack listener shows up as `::ffff:10.0.0.1`. */
function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/i, '').toLowerCase();
}

function isLoopback(address: string | undefined): boolean {
  const plain = plainAddress(address);
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}
