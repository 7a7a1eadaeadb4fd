import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { afterEach, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BrokerConnection,
  type BrokerAddress,
  type ConnectionSettings,
} from '../../../../src/kafka/connection/kafkajs-wire.ts';
import { metadataCall } from '../../../../src/kafka/protocol/metadata.ts';
import type { Logger } from '../../../../src/model/logger.ts';
import {
  API,
  type Behaviour,
  brokerThat as startBroker,
  framed,
  int16,
  int32,
  type ToldBroker,
} from './told-broker.ts';

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

let server: ToldBroker | undefined;
let connection: BrokerConnection | undefined;

async function brokerThat(behaves: Behaviour): Promise<ToldBroker> {
  server = await startBroker(behaves);
  return server;
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
    assert.equal(server?.accepted(), 2);
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
    assert.equal(server?.accepted(), 2);
  });

  test('says of a request that is not answered in time how large it was, how long it had, and what helps', async () => {
    const address = await brokerThat(() => undefined);
    const call = { ...metadataCall([]), remedyWhenLate: 'wait longer' };
    await assert.rejects(connectTo(address).call(call), {
      code: 'KAFKA_UNREACHABLE',
      message: `Metadata to 127.0.0.1:${address.port}: no answer within 0.3 s to a request of 19 bytes; wait longer`,
    });
  });

  test('stays while requests are answered, however late within their time', async () => {
    const broker = connectTo(
      await brokerThat(({ correlationId, socket }) => {
        setTimeout(() => socket.write(metadataAnswer(correlationId)), 200);
        return undefined;
      }),
    );
    for (let call = 0; call < 3; call += 1) assert.equal(await clusterIdOf(broker), 'A');
    assert.equal(server?.accepted(), 1);
  });

  test('stays while requests that wait behind each other are answered, each within its time after the one before', async () => {
    let answered = Promise.resolve();
    const broker = connectTo(
      await brokerThat(({ correlationId, socket }) => {
        answered = answered.then(async () => {
          await sleep(100);
          socket.write(metadataAnswer(correlationId));
        });
        return undefined;
      }),
    );
    const calls = Array.from({ length: 6 }, () => clusterIdOf(broker));
    assert.equal((await Promise.all(calls)).join(''), 'AAAAAA');
    assert.equal(server?.accepted(), 1);
  });

  test('is made anew when the answers stop, though some came', async () => {
    let asked = 0;
    const broker = connectTo(
      await brokerThat(({ connection: own, correlationId }) => {
        asked += 1;
        return own === 1 && asked > 1 ? undefined : metadataAnswer(correlationId);
      }),
    );
    const calls = Array.from({ length: 3 }, () => clusterIdOf(broker));
    assert.equal(await calls[0], 'A');
    const outcomes = await Promise.allSettled(calls);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected'],
    );
    assert.equal(await clusterIdOf(broker), 'A');
    assert.equal(server?.accepted(), 2);
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
    assert.equal(server?.accepted(), 1);
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
      assert.equal(server?.accepted(), 2);
    });
  }
});
