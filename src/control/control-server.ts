// The HTTP server of the control port. It registers the routes and puts round them what holds for all: access is judged on the
// request head before a body is read, bodies are strict JSON of at most 64 KiB, every refusal has the one error shape, and
// connections, header sizes and times are limited (reliability 4.3). The only importer of fastify: load it dynamically.

import type { Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { BackupError, messageOf } from '../model/errors.ts';
import { type AccessRules, judgeAccess, LOOPBACK_NAMES, type RequestAuth } from './access-guard.ts';
import { type ErrorBody, errorBodyFor, protocolErrorBody } from './error-body.ts';
import { parseJsonBody } from './json-body.ts';
import { CONTROL_ROUTES, type ControlRequest, type ControlRoute, type ControlSources } from './routes.ts';
import type { TokenSource } from './token-file.ts';

export interface ControlServerOptions extends Omit<ControlSources, 'startedAtMs'> {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Null: every writing route answers 403. */
  readonly token: TokenSource | null;
  /** Names besides the loopback's, the listening host and the address of arrival that a Host header may carry. */
  readonly allowedHosts: readonly string[];
}

export interface ControlServer {
  /** As bound; IPv6 without brackets. */
  readonly address: { readonly host: string; readonly port: number };
  /** Answers what is under way for at most two seconds, then closes every connection. */
  stop(): Promise<void>;
}

const LIMITS = {
  bodyBytes: 64 * 1024,
  headerBytes: 16 * 1024,
  /** A backup id, decoded. */
  pathElementLength: 255,
  connections: 32,
  requestsPerSocket: 100,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 5000,
  /** How often Node looks for connections that are past these times; its default of 30 s would void them. */
  checkIntervalMs: 1000,
  stopGraceMs: 2000,
} as const;

const JSON_TYPE = 'application/json; charset=utf-8';
const OTHER_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const;

/**
 * Listens and serves until stopped.
 * @throws CONFIG_INVALID when the address cannot be listened on.
 */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { listen, logger, token } = options;
  const sources: ControlSources = { ...options, startedAtMs: options.now() };
  const names = [...LOOPBACK_NAMES, listen.host, ...options.allowedHosts];
  const app = buildServer(sources, { token, hostNames: new Set(names.map((name) => name.toLowerCase())) });
  try {
    // For `localhost` fastify would open a second server, without our limits.
    const host = listen.host === 'localhost' ? '127.0.0.1' : listen.host;
    await app.listen({ host, port: listen.port });
  } catch (cause) {
    await app.close();
    throw listenError(listen, cause);
  }
  const bound = app.server.address();
  const address = bound !== null && typeof bound === 'object' ? { host: bound.address, port: bound.port } : listen;
  logger.info('control port listens', { component: 'control', ...address, writing: token !== null });
  return { address, stop: () => stopServer(app) };
}

async function stopServer(app: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), LIMITS.stopGraceMs);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

function listenError({ host, port }: ControlServerOptions['listen'], cause: unknown): BackupError {
  const isTaken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
  const reason = isTaken ? 'the port is in use; stop what uses it' : messageOf(cause);
  const message = `cannot listen on ${host} port ${port}: ${reason}, or set control.listen to another address`;
  return new BackupError('CONFIG_INVALID', message, { cause });
}

function buildServer(sources: ControlSources, rules: AccessRules): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: LIMITS.bodyBytes,
    requestTimeout: LIMITS.requestTimeoutMs,
    keepAliveTimeout: LIMITS.keepAliveTimeoutMs,
    maxRequestsPerSocket: LIMITS.requestsPerSocket,
    http: {
      headersTimeout: LIMITS.headersTimeoutMs,
      maxHeaderSize: LIMITS.headerBytes,
      connectionsCheckingInterval: LIMITS.checkIntervalMs,
      requireHostHeader: false,
    },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true, allowUnionTypes: true } },
    clientErrorHandler: refuseMalformed,
    routerOptions: { maxParamLength: LIMITS.pathElementLength },
    frameworkErrors: (_error, _request, reply) => void send(reply, protocolErrorBody(400, 'the path is not valid')),
  });
  app.server.maxConnections = LIMITS.connections;
  app.setErrorHandler((error, _request, reply) => {
    const body = errorBodyFor(error);
    if (body.code === null) sources.logger.error('a control call failed', { component: 'control', error });
    return send(reply, body);
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });
  addBodyParser(app);
  const guardFor = (auth: RequestAuth) => makeGuard(auth, rules, sources);
  const strangers = guardFor('none');
  app.addHook('onRequest', async (request, reply) => (request.is404 ? strangers(request, reply) : undefined));
  app.setNotFoundHandler((_request, reply) => send(reply, protocolErrorBody(404, 'HTTP 404 Not Found')));
  for (const route of CONTROL_ROUTES) addRoute(app, route, guardFor(route.auth), sources);
  for (const path of new Set(CONTROL_ROUTES.map((route) => route.path))) refuseOtherMethods(app, path, strangers);
  app.server.on('checkExpectation', (_request, response) => {
    const body = JSON.stringify(protocolErrorBody(417, 'HTTP 417 Expectation Failed'));
    const headers = { 'content-type': JSON_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' };
    response.writeHead(417, headers).end(body);
  });
  return app;
}

type Guard = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** Answers in place of the handler where access is refused. The query is not logged: people put tokens there. */
function makeGuard(auth: RequestAuth, rules: AccessRules, { logger }: ControlSources): Guard {
  return async (request, reply) => {
    const refused = await judgeAccess(request.raw, auth, rules);
    if (refused === null) return undefined;
    const { ip, method, url } = request;
    const fields = { component: 'control', reason: refused.body.message, ip, method, path: url.split('?')[0] };
    if (auth === 'local' || auth === 'token') logger.warn('control call refused', fields);
    return send(reply.headers(refused.headers ?? {}), refused.body);
  };
}

function addRoute(app: FastifyInstance, route: ControlRoute, guard: Guard, sources: ControlSources): void {
  const { query } = route;
  app.route({
    method: route.method,
    url: route.path,
    onRequest: guard,
    schema: {
      response: route.responses,
      ...(route.body === undefined ? {} : { body: route.body }),
      ...(query === undefined
        ? {}
        : { querystring: { type: 'object', additionalProperties: false, properties: query } }),
    },
    handler: async (request, reply) => {
      const { status, body, headers = {} } = await route.handler(request as ControlRequest, sources);
      return reply.code(status).headers(headers).send(body);
    },
  });
}

/** 405 with Allow rather than 404 where the path exists, as Connect answers. */
function refuseOtherMethods(app: FastifyInstance, path: string, guard: Guard): void {
  const taken: string[] = CONTROL_ROUTES.filter((route) => route.path === path).map(({ method }) => method);
  const isReadable = taken.includes('GET');
  const allow = isReadable ? [...taken, 'HEAD'] : taken;
  const others = OTHER_METHODS.filter((method) => !taken.includes(method));
  const refuse: Guard = async (_request, reply) => {
    return send(reply.header('allow', allow.join(', ')), protocolErrorBody(405, 'HTTP 405 Method Not Allowed'));
  };
  app.route({
    method: isReadable ? others : [...others, 'HEAD'],
    url: path,
    exposeHeadRoute: false,
    // Before a body is looked at: its type and form do not matter here.
    onRequest: [guard, refuse],
    handler: refuse,
  });
}

/** JSON is the only body there is; fastify answers 415 to every other content type. */
function addBodyParser(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (request.headers['content-encoding'] !== undefined) {
      return done(new ProtocolRefusal(415, 'compressed bodies are not accepted'));
    }
    const parsed = parseJsonBody(bytes as Buffer);
    if (parsed.kind === 'value') done(null, parsed.value);
    else done(new ProtocolRefusal(400, parsed.message));
  });
}

class ProtocolRefusal extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** A body that was not read to its end would be taken for the next request: the connection closes after the answer. */
function send(reply: FastifyReply, body: ErrorBody): FastifyReply {
  if (!reply.request.raw.complete) reply.header('connection', 'close');
  return reply.code(body.error_code).type(JSON_TYPE).send(body);
}

const CLIENT_ERROR_STATUS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Payload Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
};

/** What never became a request: the HTTP parser refused it, or it did not arrive in time. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason] = CLIENT_ERROR_STATUS[error.code ?? ''] ?? [400, 'Bad Request'];
  const body = JSON.stringify(protocolErrorBody(status, `HTTP ${status} ${reason}`));
  const head = `HTTP/1.1 ${status} ${reason}\r\nContent-Type: ${JSON_TYPE}\r\nConnection: close`;
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy());
}
