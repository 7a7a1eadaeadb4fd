// The parts of kafkajs 2.2.4 below its public interface that kafkajs-wire.ts uses. Kept beside it: a newer kafkajs must be
// held against this file.

declare module 'kafkajs/src/broker/index.js' {
  import type { ConnectionPool } from 'kafkajs/src/network/connectionPool.js';
  export interface BrokerOptions {
    readonly connectionPool: ConnectionPool;
    readonly logger: unknown;
    readonly nodeId: number | null;
  }
  export default class Broker {
    constructor(options: BrokerOptions);
    readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null;
    isConnected(): boolean;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
  }
}

declare module 'kafkajs/src/network/connectionPool.js' {
  import type { Socket } from 'node:net';
  export interface Connection {
    readonly host: string;
    readonly port: number;
    readonly clientId: string;
    readonly socket: Socket;
    readonly authHandlers: unknown;
    readonly sasl: unknown;
    readonly requestQueue: RequestQueue;
    processData(chunk: Buffer): void;
    isConnected(): boolean;
    isAuthenticated(): boolean;
    authenticate(): Promise<void>;
    nextCorrelationId(): number;
    rejectRequests(error: Error): void;
    failIfNotConnected(): void;
  }
  export interface RequestQueue {
    push(request: {
      readonly entry: {
        readonly apiKey: number;
        readonly apiName: string;
        readonly apiVersion: number;
        readonly correlationId: number;
        readonly resolve: (answer: { readonly payload: Uint8Array }) => void;
        readonly reject: (error: unknown) => void;
      };
      readonly expectResponse: boolean;
      readonly requestTimeout: number;
      readonly sendRequest: () => void;
    }): void;
    fulfillRequest: (answer: {
      readonly size: number;
      readonly correlationId: number;
      readonly payload: Uint8Array;
    }) => void;
    waitForPendingRequests(): Promise<void>;
    /** Requests that are held back because the broker throttles this client. */
    readonly pending: readonly unknown[];
    /** Looks at `pending` again in a while. */
    scheduleCheckPendingRequests: () => void;
    /** Sent and not answered, by correlation id. */
    readonly inflight: ReadonlyMap<number, RequestInFlight>;
    requestTimeoutIntervalId: NodeJS.Timeout | undefined;
    /** Begins to look at the ages of `inflight`; called when the connection is made. */
    scheduleRequestTimeoutCheck: () => void;
    readonly isConnected: () => boolean;
    /** Ends the looks at `inflight` and `pending`. */
    destroy(): void;
  }
  export interface RequestInFlight {
    /** In milliseconds. */
    readonly requestTimeout: number;
    /** Takes it out of `inflight` and rejects it. */
    timeoutRequest(): void;
  }
  export interface ConnectionPool {
    /** The second is for fetches, where kafkajs itself chooses. */
    readonly pool: readonly [Connection, Connection];
    getConnection(index?: number): Promise<Connection>;
  }
  const ConnectionPoolClass: new (options: Readonly<Record<string, unknown>>) => ConnectionPool;
  export default ConnectionPoolClass;
}
