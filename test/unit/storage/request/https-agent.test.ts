import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer, get } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { createHttpsAgent } from '../../../../src/storage/request/https-agent.ts';
import { CertificateAuthority } from '../../../support/certificates.ts';

let authority: CertificateAuthority;
let store: Server;
let proxy: Server;
/** `CONNECT` lines that the proxy has seen, with what they log in by. */
const tunnels: string[] = [];

before(async () => {
  authority = await CertificateAuthority.create();
  const { certificate, key } = await authority.sign('store', 'IP:127.0.0.1');
  store = createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (_request, response) =>
    response.end('the store'),
  );
  proxy = createServer();
  proxy.on('connect', (request: IncomingMessage, socket: Duplex) => {
    const login = Buffer.from(request.headers['proxy-authorization']?.slice('Basic '.length) ?? '', 'base64');
    tunnels.push(`${request.url} ${login.toString()}`);
    if (login.toString() === 'nobody:') {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    const target = new URL(`http://${request.url}`);
    const far = connect(Number(target.port), target.hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      far.pipe(socket).pipe(far);
    });
    for (const end of [far, socket]) end.on('error', () => {});
  });
  for (const server of [store, proxy]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
});

after(async () => {
  for (const server of [store, proxy]) {
    server?.closeAllConnections();
    server?.close();
  }
  await authority?.remove();
});

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function ask(agent: ReturnType<typeof createHttpsAgent>): Promise<string> {
  const request = get({ host: '127.0.0.1', port: portOf(store), agent });
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return await text(response);
  } finally {
    agent.destroy();
  }
}

describe('a connection to a store', () => {
  test('trusts the authority that is named, and no other', async () => {
    const trusting = { proxy: null, caPath: authority.certificate, maxSockets: 1 };
    assert.equal(await ask(createHttpsAgent(trusting)), 'the store');
    await assert.rejects(ask(createHttpsAgent({ ...trusting, caPath: null })), /certificate/);
  });

  test('goes through the proxy, with its user, and is still verified to the store', async () => {
    tunnels.length = 0;
    const through = {
      proxy: `http://us%40r:p%3Aw@127.0.0.1:${portOf(proxy)}`,
      caPath: authority.certificate,
      maxSockets: 1,
    };
    assert.equal(await ask(createHttpsAgent(through)), 'the store');
    assert.deepEqual(tunnels, [`127.0.0.1:${portOf(store)} us@r:p:w`]);
    await assert.rejects(ask(createHttpsAgent({ ...through, caPath: null })), /certificate/);
  });

  test('says what the proxy answered', async () => {
    const agent = createHttpsAgent({ proxy: `http://nobody@127.0.0.1:${portOf(proxy)}`, caPath: null, maxSockets: 1 });
    await assert.rejects(ask(agent), /the proxy answered 407 to CONNECT 127\.0\.0\.1/);
  });
});
