// The only file that reaches below kafkajs' public interface (2.2.4, pinned). kafkajs keeps what it is good at: connecting,
// TLS, SASL, correlation and time-outs. Requests and responses are ours (protocol/), and so is the assembly of responses.
// One `lane` is one connection: requests on it are answered in order, so fetches never wait behind other calls.

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { SASLOptions } from 'kafkajs';
import Broker from 'kafkajs/src/broker/index.js';
import ConnectionPool, { type Connection, type RequestInFlight } from 'kafkajs/src/network/connectionPool.js';
import { BackupError } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { retained, type RetainedMemory } from '../../model/buffer/retained-memory.ts';
import { connectionError } from './connection-errors.ts';
import type { ApiCall } from '../protocol/api.ts';
import { WireReader } from '../protocol/wire-reader.ts';
import { WireWriter } from '../protocol/wire-writer.ts';
import { LandingBuffers, ResponseAssembler } from './response-assembler.ts';

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionSettings {
  readonly clientId: string;
  /** Undefined for plain TCP. */
  readonly tls: ConnectionOptions | undefined;
  readonly sasl: SASLOptions | undefined;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Idle time before the first TCP keep-alive probe; null for none. */
  readonly keepAliveMs: number | null;
  readonly noDelay: boolean;
}

/** An answer whose byte fields are views into a recycled buffer: it is recycled when everybody who retains it has released it. */
export interface HeldResponse<Response> extends RetainedMemory {
  readonly response: Response;
}

const READ_BUFFER_BYTES = 256 * 1024;
/** Between two looks at what is not answered; a request is given up two of them late at most. */
const TIMEOUT_CHECK_MS = 100;

/** One connection to one broker. Connects on the first call, and again on the next one after a failure or a time-out. */
export class BrokerConnection {
  readonly address: BrokerAddress;
  readonly #broker: Broker;
  readonly #pool: InstanceType<typeof ConnectionPool>;
  /** The only one of the pool that is used. */
  readonly #connection: Connection;
  readonly #landing: LandingBuffers;
  readonly #requestTimeoutMs: number;
  #connecting: Promise<void> | undefined;

  constructor(
    address: BrokerAddress,
    settings: ConnectionSettings,
    logger: Logger,
    landing: LandingBuffers = new LandingBuffers(),
  ) {
    this.address = address;
    this.#landing = landing;
    this.#requestTimeoutMs = settings.requestTimeoutMs;
    const kafkajsLogger = adaptLogger(logger);
    const assembler = new ResponseAssembler(this.#landing, (response) => {
      const correlationId = new DataView(response.buffer, response.byteOffset).getInt32(0);
      const answer = { size: response.byteLength, correlationId, payload: response.subarray(4) };
      this.#connection.requestQueue.fulfillRequest(answer);
    });
    this.#pool = new ConnectionPool({
      host: address.host,
      port: address.port,
      clientId: settings.clientId,
      ssl: settings.tls ?? null,
      sasl: settings.sasl ?? null,
      connectionTimeout: settings.connectTimeoutMs,
      requestTimeout: settings.requestTimeoutMs,
      enforceRequestTimeout: true,
      maxInFlightRequests: null,
      socketFactory: socketFactory(settings, assembler),
      logger: kafkajsLogger,
    });
    this.#connection = this.#pool.pool[0];
    assembleResponses(this.#connection, assembler);
    checkQueueOnlyWhenFilled(this.#connection);
    timeOutBySilence(this.#connection);
    this.#broker = new Broker({ connectionPool: this.#pool, logger: kafkajsLogger, nodeId: null });
  }

  /**
   * Sends one request and reads its answer. Calls made without waiting are answered in order.
   * @throws KAFKA_UNREACHABLE, KAFKA_NOT_KAFKA, KAFKA_AUTHENTICATION_FAILED, KAFKA_UNSUPPORTED.
   */
  async call<Response>(api: ApiCall<Response>, timeoutMs = this.#requestTimeoutMs): Promise<HeldResponse<Response>> {
    try {
      await this.#connect();
      this.#assertSupported(api);
      const connection = await this.#pool.getConnection(0);
      if (!connection.isAuthenticated() && connection.sasl !== null) {
        await connection.requestQueue.waitForPendingRequests();
        await connection.authenticate();
      }
      const payload = await exchange(connection, api, timeoutMs);
      const reader = new WireReader(payload);
      reader.taggedFields();
      return { response: api.read(reader), ...retained(() => this.#landing.release(payload)) };
    } catch (error) {
      throw connectionError(error, `${api.apiName} to ${this.address.host}:${this.address.port}`);
    }
  }

  /** Connects, logs in, and tells by the number of each request which versions the broker takes. @throws as {@link call}. */
  async offeredVersions(): Promise<NonNullable<Broker['versions']>> {
    try {
      await this.#connect();
    } catch (error) {
      throw connectionError(error, `log in to ${this.address.host}:${this.address.port}`);
    }
    return this.#broker.versions ?? {};
  }

  async close(): Promise<void> {
    this.#connection.rejectRequests(new BackupError('INTERRUPTED', 'the connection was closed'));
    await this.#broker.disconnect();
    this.#connection.socket?.destroy();
  }

  /** Once for all calls that need it: kafkajs says "connected" before it has asked what the broker offers. */
  async #connect(): Promise<void> {
    if (this.#connecting === undefined && this.#broker.isConnected() && this.#broker.versions !== null) return;
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    await this.#connecting;
  }

  async #open(): Promise<void> {
    try {
      await this.#broker.connect();
    } catch (error) {
      // A socket that is open and says nothing would pass for a connection at the next call.
      await this.close();
      throw error;
    }
  }

  #assertSupported(api: ApiCall<unknown>): void {
    const range = this.#broker.versions?.[api.apiKey];
    if (range !== undefined && range.minVersion <= api.apiVersion && api.apiVersion <= range.maxVersion) return;
    const offered = range === undefined ? 'does not offer it' : `offers v${range.minVersion} to v${range.maxVersion}`;
    throw new BackupError('KAFKA_UNSUPPORTED', `${api.apiName} v${api.apiVersion} is needed, the broker ${offered}`);
  }
}

function exchange(connection: Connection, api: ApiCall<unknown>, timeoutMs: number): Promise<Uint8Array> {
  const correlationId = connection.nextCorrelationId();
  const writer = new WireWriter();
  writer
    .int16(api.apiKey)
    .int16(api.apiVersion)
    .int32(correlationId)
    .nullableString(connection.clientId)
    .noTaggedFields();
  api.write(writer);
  const chunks = writer.chunks();
  const lengthWord = Buffer.allocUnsafe(4);
  lengthWord.writeInt32BE(writer.sizeBytes);
  return new Promise((resolve, reject) => {
    connection.failIfNotConnected();
    // Of a socket that was just destroyed kafkajs may not have heard yet: what is asked of it would never end.
    if (connection.socket.destroyed) {
      const { host, port } = connection;
      throw new BackupError('KAFKA_UNREACHABLE', `${api.apiName} to ${host}:${port}: the connection was given up`);
    }
    const { apiKey, apiName, apiVersion } = api;
    connection.requestQueue.push({
      entry: {
        ...{ apiKey, apiName, apiVersion, correlationId },
        resolve: (answer) => resolve(answer.payload),
        reject: (error) => {
          if (!isTimeout(error)) return reject(error);
          connection.socket.destroy(error);
          reject(lateAnswer(connection, api, { timeoutMs, sizeBytes: writer.sizeBytes, cause: error }));
        },
      },
      expectResponse: true,
      requestTimeout: timeoutMs,
      sendRequest: () => {
        const { socket } = connection;
        socket.cork();
        socket.write(lengthWord);
        for (const chunk of chunks) socket.write(chunk);
        socket.uncork();
      },
    });
  });
}

/**
 * What is not answered in time may never be, and everything behind it waits: the connection is given up, as the Java client does
 * (NetworkClient.handleTimedOutRequests). A socket that is destroyed with an error tells kafkajs; without one, it does not.
 */
function isTimeout(error: unknown): error is Error {
  return error instanceof Error && error.name === 'KafkaJSRequestTimeoutError';
}

interface LateRequest {
  readonly timeoutMs: number;
  readonly sizeBytes: number;
  readonly cause: Error;
}

function lateAnswer(
  { host, port }: Connection,
  { apiName, remedyWhenLate }: ApiCall<unknown>,
  { timeoutMs, sizeBytes, cause }: LateRequest,
): BackupError {
  const late = `${apiName} to ${host}:${port}: no answer within ${timeoutMs / 1000} s to a request of ${sizeBytes} bytes`;
  const message = remedyWhenLate === undefined ? late : `${late}; ${remedyWhenLate}`;
  return new BackupError('KAFKA_UNREACHABLE', message, { cause });
}

/** Replaces kafkajs' assembly on this connection. Its own is kept for the raw SASL exchange of old brokers. */
function assembleResponses(connection: Connection, assembler: ResponseAssembler): void {
  const processRawAuthentication = connection.processData.bind(connection);
  connection.processData = (chunk) => {
    if (connection.authHandlers) {
      processRawAuthentication(Buffer.from(chunk));
      return;
    }
    try {
      assembler.push(chunk);
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      connection.rejectRequests(failure);
      connection.socket.destroy(failure);
    }
  };
}

/**
 * kafkajs 2.2.4 looks for throttled requests on every connection every millisecond, whether there are any or not
 * (tulios/kafkajs#1751): most of what an agent with nothing to do would cost. Here it looks while a request waits.
 */
function checkQueueOnlyWhenFilled({ requestQueue }: Connection): void {
  const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue);
  requestQueue.scheduleCheckPendingRequests = () => {
    if (requestQueue.pending.length > 0) schedule();
  };
}

/**
 * kafkajs 2.2.4 takes the age of a request from the wall clock: put back by an hour, that waits an hour longer for a broker that
 * hangs, and put ahead it gives up whatever is under way. Here the age counts from the first look at the request.
 * A connection is answered in the order of its requests, so a request's time begins with the answer before it: over a slow link, or
 * to a broker that holds the client to a quota, batches of 1 MiB wait behind each other for longer than one of them may take.
 */
function timeOutBySilence({ requestQueue }: Connection): void {
  const seenAtMs = new WeakMap<RequestInFlight, number>();
  let answeredAtMs = Number.NEGATIVE_INFINITY;
  const fulfill = requestQueue.fulfillRequest.bind(requestQueue);
  requestQueue.fulfillRequest = (answer) => {
    answeredAtMs = performance.now();
    fulfill(answer);
  };
  requestQueue.scheduleRequestTimeoutCheck = () => {
    requestQueue.destroy();
    requestQueue.requestTimeoutIntervalId = setInterval(() => {
      const nowMs = performance.now();
      for (const request of requestQueue.inflight.values()) {
        const sinceMs = seenAtMs.get(request);
        if (sinceMs === undefined) seenAtMs.set(request, nowMs);
        else if (nowMs - Math.max(sinceMs, answeredAtMs) > request.requestTimeout) request.timeoutRequest();
      }
      if (!requestQueue.isConnected()) requestQueue.destroy();
    }, TIMEOUT_CHECK_MS);
  };
}

/**
 * Plain sockets read a large response to where it belongs, and everything else into one buffer that is used again: a chunk is
 * valid only during its event.
 */
function socketFactory({ keepAliveMs, noDelay }: ConnectionSettings, assembler: ResponseAssembler) {
  const tuned = (socket: Socket): Socket =>
    socket.setKeepAlive(keepAliveMs !== null, keepAliveMs ?? 0).setNoDelay(noDelay);
  return (options: { host: string; port: number; ssl: ConnectionOptions | null; onConnect: () => void }): Socket => {
    const { host, port, ssl, onConnect } = options;
    // What the connection before this one has left half-received never comes.
    assembler.reset();
    if (ssl !== null) {
      const servername = isIP(host) === 0 ? { servername: host } : {};
      return tuned(connectTls({ host, port, ...servername, ...ssl }, onConnect));
    }
    const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
    const socket: Socket = connectTcp(
      {
        host,
        port,
        onread: {
          buffer: () => assembler.room() ?? readBuffer,
          callback: (length, buffer) => {
            socket.emit('data', buffer.subarray(0, length));
            return true;
          },
        },
      },
      onConnect,
    );
    return tuned(socket);
  };
}

/** kafkajs' log, at debug: what matters reaches the operator as an error with a code. */
function adaptLogger(logger: Logger): unknown {
  const adapt = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    const { stack: _stack, ...rest } = fields;
    logger.debug(`kafkajs: ${message}`, rest);
  };
  const adapted = { debug: () => {}, info: adapt, warn: adapt, error: adapt, namespace: () => adapted };
  return adapted;
}
