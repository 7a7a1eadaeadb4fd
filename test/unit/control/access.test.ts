import assert from 'node:assert/strict';
import { rm, utimes, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { judgeAccess, type RouteAuth } from '../../../src/control/access-guard.ts';
import { ask, bodyOf, type ControlFixture, sendBytes, startControl, statusOf, TOKEN } from './control-fixture.ts';

/** A POST of `{}` with these header lines as they are. */
function post(port: number, headers: readonly string[], path = '/v1/restores'): Promise<string> {
  const lines = [`POST ${path} HTTP/1.1`, ...headers, 'Content-Type: application/json', 'Content-Length: 2'];
  return sendBytes(port, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n{}`);
}

describe('the token of writing calls', () => {
  let control: ControlFixture;
  before(async () => {
    control = await startControl();
  });
  after(() => control.stop());
  beforeEach(() => {
    control.restores.jobs.length = 0;
  });

  const refused: readonly (readonly [string, readonly string[], string?])[] = [
    ['none', []],
    ['an empty one', ['Authorization:']],
    ['a scheme alone', ['Authorization: Bearer']],
    ['a wrong one', ['Authorization: Bearer wrong-horse-battery-staple']],
    ['a truncated one', [`Authorization: Bearer ${TOKEN.slice(0, -1)}`]],
    ['a longer one', [`Authorization: Bearer ${TOKEN}x`]],
    ['one in other case', [`Authorization: Bearer ${TOKEN.toUpperCase()}`]],
    ['one beyond ASCII', ['Authorization: Bearer corr\u00e9ct-horse-battery-staple']],
    ['Basic', [`Authorization: Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}`]],
    ['the bare token', [`Authorization: ${TOKEN}`]],
    ['two tokens', [`Authorization: Bearer ${TOKEN}`, 'Authorization: Bearer other']],
    ['a token in the query', [], `/v1/restores?token=${TOKEN}`],
    ['a token in a cookie', [`Cookie: token=${TOKEN}`]],
  ];
  for (const [what, headers, path] of refused) {
    test(`${what} is refused with 401 and a challenge`, async () => {
      const answer = await post(control.port, [`Host: 127.0.0.1:${control.port}`, ...headers], path);
      assert.equal(statusOf(answer), 401);
      assert.match(answer, /www-authenticate: Bearer realm="kafka-backup"/i);
      const body = bodyOf(answer);
      assert.equal(body['code'], 'UNAUTHORIZED');
      assert.equal(body['error_code'], 401);
      assert.equal(control.restores.jobs.length, 0);
    });
  }

  test('a token of a megabyte ends in 431', async () => {
    const answer = await post(control.port, ['Host: localhost', `Authorization: Bearer ${'x'.repeat(1_000_000)}`]);
    assert.ok([0, 431].includes(statusOf(answer)));
    assert.equal((await ask(control, 'GET', '/healthz')).status, 200);
  });

  test('the scheme is read in any case', async () => {
    const answer = await post(control.port, ['Host: localhost', `authorization: bearer ${TOKEN}`]);
    assert.equal(statusOf(answer), 202);
  });

  test('a refusal is logged with its reason, without token and query', async () => {
    await post(control.port, ['Host: localhost', 'Authorization: Bearer a-secret-typo'], '/v1/restores?token=abc');
    const line = control.lines.at(-1)!;
    assert.equal(line.message, 'control call refused');
    assert.equal(line.fields['path'], '/v1/restores');
    assert.doesNotMatch(JSON.stringify(control.lines), /a-secret-typo|token=abc/);
  });

  test('cancelling needs the token too', async () => {
    const answer = await post(control.port, ['Host: localhost'], '/v1/restores/rst_1/cancel');
    assert.equal(statusOf(answer), 401);
  });

  test('reading from the loopback needs none', async () => {
    for (const path of ['/healthz', '/metrics', '/v1/backups', '/v1/restores']) {
      assert.equal((await fetch(control.url + path)).status, 200);
    }
  });

  test('an exchanged token counts at once, and a file that is gone lets nobody in', async () => {
    const next = 'another-token-of-some-length';
    await writeFile(control.tokenFile, next);
    await utimes(control.tokenFile, new Date(), new Date(Date.now() + 5000));
    assert.equal((await ask(control, 'POST', '/v1/restores', {})).status, 401);
    const authorization = `Bearer ${next}`;
    assert.equal((await ask(control, 'POST', '/v1/restores', {}, { authorization })).status, 202);
    await rm(control.tokenFile);
    assert.equal((await ask(control, 'POST', '/v1/restores', {}, { authorization })).status, 401);
    await writeFile(control.tokenFile, TOKEN);
    assert.equal((await ask(control, 'POST', '/v1/restores/x/cancel')).status, 404);
  });

  test('without a token file every writing call is 403 and says what to configure', async () => {
    const open = await startControl({ token: null });
    const { status, json } = await ask(open, 'POST', '/v1/restores', {});
    assert.equal(status, 403);
    assert.match(String(json['hint']), /control\.token_file/);
    assert.equal((await ask(open, 'POST', '/v1/restores/x/cancel')).status, 403);
    assert.equal((await ask(open, 'GET', '/v1/restores')).status, 200);
    await open.stop();
  });
});

describe('who a request is addressed to and comes from', () => {
  let control: ControlFixture;
  before(async () => {
    control = await startControl({ allowedHosts: ['Backup.Example.com'] });
  });
  after(() => control.stop());

  /** And what it answers to a call that is not of health or metrics. */
  const hosts: readonly (readonly [string, number])[] = [
    ['localhost', 200],
    ['LOCALHOST:8083', 200],
    ['127.0.0.1:9', 200],
    ['[::1]:8083', 200],
    ['backup.example.com', 200],
    ['evil.com', 403],
    ['localhost.evil.com', 403],
    ['evil.com:8083', 403],
    ['10.1.2.3', 403],
    ['169.254.169.254', 403],
    ['', 400],
    ['local host', 400],
    ['localhost@evil.com', 400],
    ['localhost:99999999', 400],
    ['[::1', 400],
    ['[1::2::3]', 400],
  ];
  for (const [host, expected] of hosts) {
    test(`Host "${host}" is ${expected}, on routes and beside them`, async () => {
      const answers = await Promise.all(
        ['/v1/backups', '/nope'].map((path) =>
          sendBytes(control.port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
        ),
      );
      const passed = expected === 200 ? [200, 404] : [expected, expected];
      assert.deepEqual(answers.map(statusOf), passed);
      if (expected !== 200) assert.equal(bodyOf(answers[0]!)['error_code'], expected);
    });
  }

  test('health and metrics answer to any name that a network has for the port', async () => {
    for (const path of ['/healthz', '/livez', '/readyz?exclude=backup', '/metrics']) {
      const head = `GET ${path} HTTP/1.1\r\nHost: kafka-backup.monitoring.svc:8083\r\nConnection: close\r\n\r\n`;
      assert.equal(statusOf(await sendBytes(control.port, head)), 200, path);
    }
    const head = 'POST /metrics HTTP/1.1\r\nHost: evil.com\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    assert.equal(statusOf(await sendBytes(control.port, head)), 403);
  });

  test('no Host, two Hosts and an absolute target are 400', async () => {
    for (const head of [
      'GET /healthz HTTP/1.1',
      'GET /healthz HTTP/1.0',
      'GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.com',
      'GET http://localhost/healthz HTTP/1.1\r\nHost: localhost',
      'OPTIONS * HTTP/1.1\r\nHost: localhost',
    ]) {
      const answer = await sendBytes(control.port, `${head}\r\nConnection: close\r\n\r\n`);
      assert.equal(statusOf(answer), 400, head);
      assert.equal(bodyOf(answer)['code'], 'USAGE_INVALID');
    }
  });

  for (const header of [
    'Origin: null',
    'Origin: https://evil.com',
    'Origin: http://127.0.0.1',
    'Sec-Fetch-Site: cross-site',
    'Sec-Fetch-Site: same-site',
  ]) {
    test(`a writing call with "${header}" is 403 even with the token`, async () => {
      const answer = await post(control.port, ['Host: localhost', `Authorization: Bearer ${TOKEN}`, header]);
      assert.equal(statusOf(answer), 403);
      assert.equal(bodyOf(answer)['code'], 'FORBIDDEN');
    });
  }

  test('a preflight of a browser gets no CORS header', async () => {
    const response = await fetch(`${control.url}/v1/restores`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.com', 'access-control-request-method': 'POST' },
    });
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('access-control-allow-origin'), null);
  });
});

describe('a request from another machine', () => {
  const rules = {
    token: { matches: async (presented: string) => presented === TOKEN },
    hostNames: new Set(['localhost']),
  };
  /** Only what the guard looks at. */
  function remoteRequest(authorization?: string): IncomingMessage {
    const headers = { host: '10.0.0.5:8083', ...(authorization === undefined ? {} : { authorization }) };
    const headersDistinct = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));
    const socket = { localAddress: '::ffff:10.0.0.5', remoteAddress: '10.0.0.9' };
    return { url: '/', headers, headersDistinct, socket } as unknown as IncomingMessage;
  }
  const statusFor = async (auth: RouteAuth, authorization?: string, token: typeof rules.token | null = rules.token) =>
    (await judgeAccess(remoteRequest(authorization), auth, { ...rules, token }))?.status ?? 200;

  test('may use the address that it arrived at as Host, and see health and metrics', async () => {
    assert.equal(await statusFor('open'), 200);
  });

  test('reads and writes /v1 only with the token', async () => {
    assert.equal(await statusFor('local'), 401);
    assert.equal(await statusFor('local', `Bearer ${TOKEN}`), 200);
    assert.equal(await statusFor('token'), 401);
    assert.equal(await statusFor('token', `Bearer ${TOKEN}`), 200);
  });

  test('is refused where no token is configured', async () => {
    assert.equal(await statusFor('local', undefined, null), 403);
    assert.equal(await statusFor('token', `Bearer ${TOKEN}`, null), 403);
  });
});
