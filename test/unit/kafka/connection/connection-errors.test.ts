import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { connectionError } from '../../../../src/kafka/connection/connection-errors.ts';

/** What the handshake ends with. */
function handshake(port: number): Promise<Error> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', resolve);
    socket.once('secureConnect', () => reject(new Error('it was let in')));
  });
}

describe('an error of a connection', () => {
  let server: Server;
  let hangUp: (socket: { end(): unknown; resetAndDestroy(): unknown }) => void;
  before(async () => {
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => hangUp(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => server.close());

  test('names the security protocol where a listener breaks a TLS handshake off', async () => {
    // As a listener in plain text does, which takes the handshake for a request of absurd size.
    for (const how of ['end', 'resetAndDestroy'] as const) {
      hangUp = (socket) => socket[how]();
      const error = connectionError(await handshake((server.address() as AddressInfo).port), 'TLS with broker:9092');
      assert.equal(error.code, 'KAFKA_UNREACHABLE', how);
      assert.match(error.kind.hint, /security_protocol/);
      assert.match(error.message, /^TLS with broker:9092: /);
    }
  });

  test('is that nobody is there where nobody listens', async () => {
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    assert.equal(connectionError(await handshake(port), 'TLS').code, 'KAFKA_UNREACHABLE');
  });
});
