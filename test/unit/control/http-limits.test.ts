import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { BackupError } from '../../../src/model/errors.ts';
import {
  ask,
  bodyOf,
  type ControlFixture,
  openSocket,
  sendBytes,
  startControl,
  statusOf,
  TOKEN,
} from './control-fixture.ts';

const HEAD = `Host: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json`;

describe('the HTTP server of the control port', () => {
  let control: ControlFixture;
  before(async () => {
    control = await startControl();
  });
  after(() => control.stop());
  afterEach(async () => {
    assert.equal((await ask(control, 'GET', '/healthz')).status, 200, 'the server must go on');
    assert.equal(control.restores.jobs.length, 0, 'nothing may have started');
  });

  const lines: readonly (readonly [string, readonly number[]])[] = [
    ['TRACE /healthz', [405]],
    ['TRACE /nope', [404]],
    ['CONNECT localhost:80', [0, 400]],
    ['PUT /healthz', [405]],
    ['DELETE /v1/restores', [405]],
    ['PATCH /v1/backups/orders', [405]],
    ['GET /v1/restores/x/cancel', [405]],
    ['HEAD /v1/restores/x/cancel', [405]],
    ['BREW /healthz', [400]],
    ['get /healthz', [400]],
    ['GET /../healthz', [404]],
    ['GET /%2e%2e/healthz', [404]],
    ['GET //healthz', [404]],
    ['GET /healthz/', [404]],
    ['GET /HEALTHZ', [404]],
    ['GET /healthz%00', [404]],
    ['GET /v1%2fbackups', [404]],
    ['GET /%zz', [400]],
    ['GET /v1/backups/%ff', [400]],
    [`GET /v1/backups/${'x'.repeat(5000)}`, [400]],
    [`GET /${'x'.repeat(65_536)}`, [431]],
    [`GET /v1/restores?${'a=1&'.repeat(2000)}`, [400]],
    ['GET /v1/restores?state=RUNNING&state=FAILED', [400]],
    ['GET /v1/restores?__proto__[x]=1', [400]],
    ['GET', [400]],
  ];
  for (const [line, expected] of lines) {
    test(`${line.slice(0, 40)} is ${expected.join(' or ')}`, async () => {
      const answer = await sendBytes(control.port, `${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      assert.ok(expected.includes(statusOf(answer)), answer.slice(0, 300));
      if (statusOf(answer) > 0 && !line.startsWith('HEAD'))
        assert.equal(bodyOf(answer)['error_code'], statusOf(answer));
    });
  }

  test('405 names the methods of the path', async () => {
    const { headers } = await ask(control, 'DELETE', '/v1/restores');
    assert.equal(headers.get('allow'), 'POST, GET, HEAD');
  });

  const framings: readonly (readonly [string, string, readonly number[]])[] = [
    ['length and chunks at once', `${HEAD}\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, [400]],
    ['an obscure transfer encoding', `${HEAD}\r\nTransfer-Encoding: xchunked\r\n\r\n{}`, [400]],
    ['a negative length', `${HEAD}\r\nContent-Length: -1\r\n\r\n{}`, [400]],
    ['two lengths', `${HEAD}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, [400]],
    ['a length that is no number', `${HEAD}\r\nContent-Length: 0x2\r\n\r\n{}`, [400]],
    ['a huge length', `${HEAD}\r\nContent-Length: 99999999999\r\n\r\n{}`, [413]],
    ['a length beyond 64 bits', `${HEAD}\r\nContent-Length: 99999999999999999999\r\n\r\n{}`, [400]],
    ['a chunk size that is no number', `${HEAD}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`, [400]],
    [
      'chunk extensions without end',
      `${HEAD}\r\nTransfer-Encoding: chunked\r\n\r\n2;${'a=b;'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
      [400, 413],
    ],
    ['a thousand headers beyond the limit', `${HEAD}\r\n${'X-Header: 0123456789\r\n'.repeat(1000)}\r\n`, [431]],
    ['one header of 100 KB', `${HEAD}\r\nX-Header: ${'x'.repeat(100_000)}\r\n\r\n`, [431]],
    ['a header with a NUL', `${HEAD}\r\nX-Header: a\0b\r\n\r\n`, [400]],
    ['a folded header', `${HEAD}\r\nX-Header: a\r\n b\r\n\r\n`, [400]],
    ['a bare line feed', `${HEAD}\nContent-Length: 2\n\n{}`, [400]],
    ['an unknown expectation', `${HEAD}\r\nExpect: tea\r\nContent-Length: 2\r\n\r\n{}`, [417]],
  ];
  for (const [what, rest, expected] of framings) {
    test(`${what} is ${expected.join(' or ')} and closes the connection`, async () => {
      const answer = await sendBytes(control.port, `POST /v1/restores HTTP/1.1\r\n${rest}`, 3000);
      assert.ok(expected.includes(statusOf(answer)), answer.slice(0, 300));
      assert.equal(bodyOf(answer)['error_code'], statusOf(answer));
      assert.match(answer, /connection: close/i);
    });
  }

  test('HTTP/0.9, HTTP/2 prefaces and TLS greetings are turned away', async () => {
    const tls = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]);
    for (const bytes of ['GET /healthz\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', tls]) {
      const status = statusOf(await sendBytes(control.port, bytes));
      assert.ok([0, 400, 505].includes(status), String(status));
    }
  });

  test('an upgrade is not taken', async () => {
    for (const upgrade of ['websocket', 'h2c']) {
      const head = `GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: ${upgrade}`;
      assert.equal(statusOf(await sendBytes(control.port, `${head}\r\n\r\n`)), 200);
    }
  });

  test('a compressed body is 415', async () => {
    const body = gzipSync('{}');
    const { status, json } = await ask(control, 'POST', '/v1/restores', body, { 'content-encoding': 'gzip' });
    assert.equal(status, 415);
    assert.equal(json['error_code'], 415);
  });

  test('half a request and a closed socket leave nothing behind', async () => {
    const socket = await openSocket(control.port);
    socket.end('POST /v1/restores HTTP/1.1\r\nHost: local');
    socket.resume();
    await once(socket, 'close');
  });

  test('of a thousand pipelined requests on one connection a hundred are served', { timeout: 20_000 }, async () => {
    const requests = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1000);
    const answer = await sendBytes(control.port, requests, 1500);
    assert.equal(answer.match(/HTTP\/1\.1 200/g)?.length, 100);
  });
});

describe('slow senders', { concurrency: true }, () => {
  let control: ControlFixture;
  before(async () => {
    control = await startControl();
  });
  after(() => control.stop());

  test('a header that arrives drop by drop is cut off after five seconds', { timeout: 15_000 }, async () => {
    const socket = await openSocket(control.port);
    const startedAt = Date.now();
    const parts: string[] = [];
    socket.on('data', (part) => parts.push(String(part)));
    socket.write('POST /v1/restores HTTP/1.1\r\nHost: localhost\r\n');
    const drops = setInterval(() => socket.write('X-Drop: 1\r\n'), 500);
    await once(socket, 'close');
    clearInterval(drops);
    assert.ok(Date.now() - startedAt < 9000);
    assert.equal(statusOf(parts.join('')), 408);
  });

  test('a body that arrives drop by drop is cut off after ten seconds', { timeout: 20_000 }, async () => {
    const socket = await openSocket(control.port);
    const startedAt = Date.now();
    socket.resume();
    socket.write(`POST /v1/restores HTTP/1.1\r\n${HEAD}\r\nContent-Length: 60000\r\n\r\n`);
    const drops = setInterval(() => socket.write(' '), 500);
    await once(socket, 'close');
    clearInterval(drops);
    assert.ok(Date.now() - startedAt < 14_000);
  });
});

test('more than 32 connections are not accepted, and those that leave make room', async () => {
  const control = await startControl();
  const sockets = await Promise.all(Array.from({ length: 32 }, () => openSocket(control.port)));
  const surplus = await sendBytes(control.port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  assert.equal(statusOf(surplus), 0);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal((await ask(control, 'GET', '/healthz')).status, 200);
  await control.stop();
});

test('a port in use is a configuration error that names the port and the remedy', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await assert.rejects(startControl({ listen: { host: '127.0.0.1', port } }), (error: unknown) => {
    assert.ok(error instanceof BackupError);
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1 port ${port}: the port is in use.*control\\.listen`));
    return true;
  });
  other.close();
});

test('localhost is one listener, with all limits', async () => {
  const control = await startControl({ listen: { host: 'localhost', port: 0 } });
  assert.equal(control.server.address.host, '127.0.0.1');
  await control.stop();
});

test('an address of another machine is a configuration error', async () => {
  await assert.rejects(startControl({ listen: { host: '192.0.2.1', port: 0 } }), { code: 'CONFIG_INVALID' });
});

test('stopping closes idle and half-open connections within seconds', { timeout: 10_000 }, async () => {
  const control = await startControl();
  const half = await openSocket(control.port);
  half.write('POST /v1/restores HTTP/1.1\r\nHost: local');
  const idle = await openSocket(control.port);
  const closed = Promise.all([half, idle].map((socket) => once(socket.resume(), 'close')));
  await control.stop();
  await closed;
});

test('a defect is a 500 that tells nothing and is logged', async () => {
  const control = await startControl({
    backup: () => {
      throw new TypeError('secret detail');
    },
  });
  const { status, json } = await ask(control, 'GET', '/v1/backups');
  assert.equal(status, 500);
  assert.equal(json['code'], null);
  assert.doesNotMatch(JSON.stringify(json), /secret detail/);
  assert.equal(control.lines.filter(({ level }) => level === 'error').length, 1);
  await control.stop();
});
