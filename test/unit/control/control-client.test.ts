import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ControlClient } from '../../../src/control/control-client.ts';

let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
before(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
after(() => server.close());

function client(host = '127.0.0.1', tokenFile: string | null = null): ControlClient {
  return new ControlClient({ listen: { host, port: (server.address() as AddressInfo).port }, tokenFile });
}

function refuse(status: number, body: object | string): void {
  answer = (_request, response) => {
    response.statusCode = status;
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

describe('the client of the control port', () => {
  test('presents the token of the file, and asks an agent that listens everywhere on the loopback', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'kafka-backup-token-'));
    const file = join(directory, 'token');
    await writeFile(file, 'a-token-of-some-length\n', { mode: 0o600 });
    answer = (request, response) =>
      response.end(JSON.stringify({ path: request.url, token: request.headers.authorization }));
    const expected = { path: '/v1/backups/b', token: 'Bearer a-token-of-some-length' };
    assert.deepEqual(await client('0.0.0.0', file).get('/v1/backups/b'), expected);
    assert.equal(new ControlClient({ listen: { host: '::', port: 1 }, tokenFile: null }).url, 'http://[::1]:1');
    await rm(directory, { recursive: true });
  });

  test('tells a refusal, another backup and another server apart', async () => {
    refuse(401, { error_code: 401, message: 'a token is needed' });
    await assert.rejects(client().get('/x'), { code: 'UNAUTHORIZED', message: /a token is needed/ });
    refuse(403, 'no json');
    await assert.rejects(client().get('/x'), { code: 'UNAUTHORIZED', message: /no reason given/ });
    refuse(404, { error_code: 404, code: 'BACKUP_NOT_FOUND', message: 'this agent makes no backup of that id' });
    await assert.rejects(client().get('/x'), { code: 'BACKUP_NOT_FOUND' });
    refuse(404, 'not here');
    await assert.rejects(client().get('/x'), { code: 'AGENT_UNREACHABLE', message: /status 404/ });
  });

  test('takes an answer that breaks off, or never ends, for no agent', async () => {
    answer = (request) => request.socket.destroy();
    await assert.rejects(client().get('/x'), { code: 'AGENT_UNREACHABLE' });
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('12345');
      setTimeout(() => response.socket?.destroy(), 20);
    };
    await assert.rejects(client().get('/x'), { code: 'AGENT_UNREACHABLE' });
    answer = (_request, response) => {
      const chunk = Buffer.alloc(4 * 1024 * 1024, ' ');
      const write = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', write);
      write();
    };
    await assert.rejects(client().get('/x'), { code: 'AGENT_UNREACHABLE', message: /too large/ });
  });
});
