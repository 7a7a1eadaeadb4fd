// A broker of a unit test: it speaks Kafka over TCP, tells what it offers, and otherwise does what it is told to.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { BrokerAddress } from '../../../../src/kafka/connection/kafkajs-wire.ts';

export const API = { metadata: 3, saslHandshake: 17, apiVersions: 18, saslAuthenticate: 36 };
const OFFERED = [
  [API.metadata, 0, 12],
  [API.saslHandshake, 0, 1],
  [API.apiVersions, 0, 2],
  [API.saslAuthenticate, 0, 1],
];
export function int16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => bytes.writeInt16BE(value, index * 2));
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function framed(correlationId: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat([int32(correlationId), ...parts]);
  return Buffer.concat([int32(body.byteLength), body]);
}

/** What a broker does with a request; undefined: it says nothing. `connection` counts from 1. */
export type Behaviour = (request: {
  apiKey: number;
  correlationId: number;
  connection: number;
  socket: Socket;
}) => Buffer | undefined;

export interface ToldBroker extends BrokerAddress {
  /** Connections so far. */
  readonly accepted: () => number;
  readonly close: () => void;
}

export async function brokerThat(behaves: Behaviour): Promise<ToldBroker> {
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    const own = accepted;
    let received = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.byteLength >= 4 && received.byteLength >= 4 + received.readInt32BE(0)) {
        const request = received.subarray(4, 4 + received.readInt32BE(0));
        received = received.subarray(4 + request.byteLength);
        const apiKey = request.readInt16BE(0);
        const correlationId = request.readInt32BE(4);
        if (apiKey === API.apiVersions) {
          const offered = OFFERED.map((range) => int16(...range));
          socket.write(framed(correlationId, int16(0), int32(offered.length), ...offered, int32(0)));
        } else {
          const answer = behaves({ apiKey, correlationId, connection: own, socket });
          if (answer !== undefined) socket.write(answer);
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { host: '127.0.0.1', port, accepted: () => accepted, close: () => server.close() };
}
