import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BrokerConnection,
  type BrokerAddress,
  type ConnectionSettings,
} from '../../../../src/kafka/connection/kafkajs-wire.ts';
import { metadataCall } from '../../../../src/kafka/protocol/metadata.ts';
import type { Logger } from '../../../../src/model/logger.ts';

const API = { metadata: 3, saslHandshake: 17, apiVersions: 18, saslAuthenticate: 36 };
const OFFERED = [
  [API.metadata, 0, 12],
  [API.saslHandshake, 0, 1],
  [API.apiVersions, 0, 2],
  [API.saslAuthenticate, 0, 1],
];
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const SETTINGS: ConnectionSettings = {
  clientId: 'test',
  tls: undefined,
  sasl: undefined,
  connectTimeoutMs: 300,
  requestTimeoutMs: 300,
  keepAliveMs: null,
  noDelay: true,
};

const SASL: Partial<ConnectionSettings> = { sasl: { mechanism: 'plain', username: 'u', password: 'p' } };

function int16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => bytes.writeInt16BE(value, index * 2));
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function framed(correlationId: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat([int32(correlationId), ...parts]);
  return Buffer.concat([int32(body.byteLength), body]);
}

/** Of a cluster without brokers or topics (v12): only its id. */
function metadataAnswer(correlationId: number): Buffer {
  const tags = Buffer.from([0]);
  const clusterId = Buffer.from([2, 'A'.charCodeAt(0)]);
  return framed(correlationId, tags, int32(0), Buffer.from([1]), clusterId, int32(-1), Buffer.from([1]), tags);
}

function handshakeAnswer(correlationId: number): Buffer {
  const mechanism = Buffer.from('PLAIN');
  return framed(correlationId, int16(0), int32(1), int16(mechanism.byteLength), mechanism);
}

/** What a broker does with a request; undefined: it says nothing. `connection` counts from 1. */
type Behaviour = (request: {
  apiKey: number;
  correlationId: number;
  connection: number;
  socket: Socket;
}) => Buffer | undefined;

let server: Server | undefined;
let connection: BrokerConnection | undefined;
let accepted = 0;

/** A broker that tells what it offers, and otherwise does what it is told to. */
async function brokerThat(behaves: Behaviour): Promise<BrokerAddress> {
  accepted = 0;
  server = createServer((socket) => {
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
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

function connectTo(address: BrokerAddress, change: Partial<ConnectionSettings> = {}): BrokerConnection {
  connection = new BrokerConnection(address, { ...SETTINGS, ...change }, SILENT);
  return connection;
}

async function clusterIdOf(broker: BrokerConnection): Promise<string> {
  const { response } = await broker.call(metadataCall([]));
  return response.clusterId;
}

afterEach(async () => {
  await connection?.close();
  server?.close();
});

describe('a connection to a broker', () => {
  test('is made anew after an answer that is not Kafka\u2019s', async () => {
    const broker = connectTo(
      await brokerThat(({ connection: own, correlationId }) =>
        own === 1 ? Buffer.from('HTTP/1.1 502 Bad Gateway\r\n\r\n') : metadataAnswer(correlationId),
      ),
    );
    await assert.rejects(clusterIdOf(broker), { code: 'KAFKA_NOT_KAFKA' });
    assert.equal(await clusterIdOf(broker), 'A');
    assert.equal(accepted, 2);
  });

  test('is made anew after a request that was not answered in time, which ends all that wait behind it', async () => {
    const broker = connectTo(
      await brokerThat(({ connection: own, correlationId }) => (own === 1 ? undefined : metadataAnswer(correlationId))),
    );
    const unanswered = { code: 'KAFKA_UNREACHABLE' };
    const patient = broker.call(metadataCall([]), 60_000);
    await Promise.all([
      assert.rejects(clusterIdOf(broker), unanswered),
      assert.rejects(clusterIdOf(broker), unanswered),
      assert.rejects(patient, unanswered),
    ]);
    assert.deepEqual(await Promise.all([clusterIdOf(broker), clusterIdOf(broker)]), ['A', 'A']);
    assert.equal(accepted, 2);
  });

  test('stays while requests are answered, however late within their time', async () => {
    const broker = connectTo(
      await brokerThat(({ correlationId, socket }) => {
        setTimeout(() => socket.write(metadataAnswer(correlationId)), 200);
        return undefined;
      }),
    );
    for (let call = 0; call < 3; call += 1) assert.equal(await clusterIdOf(broker), 'A');
    assert.equal(accepted, 1);
  });

  const HOUR_MS = 3_600_000;

  test('gives up what is not answered in time, though the clock of the host is put back meanwhile', async (context: TestContext) => {
    const now = Date.now;
    const broker = connectTo(
      await brokerThat(() => {
        context.mock.method(Date, 'now', () => now() - HOUR_MS);
        return undefined;
      }),
    );
    const late = sleep(5000, 'it still waits', { ref: false });
    await assert.rejects(Promise.race([clusterIdOf(broker), late]), { code: 'KAFKA_UNREACHABLE' });
  });

  test('waits for an answer within its time, though the clock of the host is put ahead meanwhile', async (context: TestContext) => {
    const now = Date.now;
    const broker = connectTo(
      await brokerThat(({ correlationId, socket }) => {
        context.mock.method(Date, 'now', () => now() + HOUR_MS);
        setTimeout(() => socket.write(metadataAnswer(correlationId)), 200);
        return undefined;
      }),
    );
    assert.equal(await clusterIdOf(broker), 'A');
    assert.equal(accepted, 1);
  });

  test('tells credentials that are refused from a login that broke', async () => {
    const address = await brokerThat(({ apiKey, correlationId }) => {
      if (apiKey === API.saslHandshake) return handshakeAnswer(correlationId);
      const reason = Buffer.from('Authentication failed: Invalid username or password');
      return framed(correlationId, int16(58), int16(reason.byteLength), reason, int32(0), int32(0), int32(0));
    });
    await assert.rejects(clusterIdOf(connectTo(address, SASL)), { code: 'KAFKA_AUTHENTICATION_FAILED' });
  });

  const stalls: readonly [string, (socket: Socket) => void][] = [
    ['is not answered', () => {}],
    ['is cut off', (socket) => socket.end()],
    ['ends with a reset', (socket) => socket.resetAndDestroy()],
  ];
  for (const [what, stall] of stalls) {
    test(`is made anew after a login that ${what}`, async () => {
      const address = await brokerThat(({ apiKey, correlationId, connection: own, socket }) => {
        if (apiKey === API.saslHandshake) return handshakeAnswer(correlationId);
        if (apiKey === API.metadata) return metadataAnswer(correlationId);
        if (own > 1) return framed(correlationId, int16(0), int16(-1), int32(0), int32(0), int32(0));
        stall(socket);
        return undefined;
      });
      const broker = connectTo(address, SASL);
      await assert.rejects(clusterIdOf(broker), { code: 'KAFKA_UNREACHABLE' });
      assert.equal(await clusterIdOf(broker), 'A');
      assert.equal(accepted, 2);
    });
  }
});
