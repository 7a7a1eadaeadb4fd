// Logging into Azure as in the cloud: under the names of Microsoft's hosts, over TLS with an authority of the operator's own, through
// a proxy. The service is Azurite, which looks into tokens but not at who signed them; what hands out tokens is the test.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AzureSettings } from '../../../src/storage/azure/azure-client.ts';
import { AzureObjectStore } from '../../../src/storage/azure/azure-object-store.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { AZURITE_ACCOUNT, type Azurite, startAzurite } from '../../support/stores/azurite.ts';
import {
  CloudHosts,
  forwardTo,
  type Host,
  type HostAnswer,
  type HostRequest,
  NEVER,
} from '../../support/stores/cloud-hosts.ts';
import { HostService, withEnvironment } from '../../support/stores/host-services.ts';
import { QUICK_REQUESTS } from '../../support/stores/store-server.ts';

const MIB = 1024 * 1024;
const CONTAINER = 'backups';
const TENANT = '11111111-2222-3333-4444-555555555555';
const CLIENT = '66666666-7777-8888-9999-000000000000';
const STORE_HOST = `${AZURITE_ACCOUNT.name}.blob.core.windows.net`;
/** Nothing of what the machine of the test may have. */
const NOTHING = {
  AZURE_TENANT_ID: undefined,
  AZURE_CLIENT_ID: undefined,
  AZURE_CLIENT_SECRET: undefined,
  AZURE_FEDERATED_TOKEN_FILE: undefined,
  IDENTITY_ENDPOINT: undefined,
  MSI_ENDPOINT: undefined,
};
const LOGIN_HOST = 'login.microsoftonline.com';

describe('logging into Azure', { timeout: 120_000 }, () => {
  let authority: CertificateAuthority;
  let azurite: Azurite;
  let hosts: CloudHosts;
  /** Bodies of requests for a token. */
  const logins: URLSearchParams[] = [];
  let login: (body: URLSearchParams) => HostAnswer | Promise<HostAnswer>;

  before(async () => {
    authority = await CertificateAuthority.create();
    azurite = await startAzurite(await authority.sign('azurite', 'IP:127.0.0.1'));
    await azurite.createContainer(CONTAINER);
    hosts = await CloudHosts.start(authority, {
      [STORE_HOST]: forwardTo(new URL(azurite.endpoint).origin),
      [LOGIN_HOST]: loginHost,
    });
  });

  after(async () => {
    await hosts?.stop();
    await azurite?.server.stop();
    await authority?.remove();
  });

  const loginHost: Host = ({ url, body }: HostRequest) => {
    const tenant = `https://${LOGIN_HOST}/${TENANT}`;
    if (url.startsWith(`/${TENANT}/oauth2/v2.0/token`)) {
      const wanted = new URLSearchParams(body.toString());
      logins.push(wanted);
      return login(wanted);
    }
    if (!url.includes('openid-configuration')) return json(404, {});
    const endpoints = { token_endpoint: `${tenant}/oauth2/v2.0/token`, authorization_endpoint: `${tenant}/authorize` };
    return json(200, { ...endpoints, issuer: `${tenant}/v2.0`, jwks_uri: `${tenant}/keys` });
  };

  function settings(changes: Partial<AzureSettings>): AzureSettings {
    const requests = { ...QUICK_REQUESTS, proxy: hosts.proxy, caPath: authority.certificate };
    return azurite.settings({ container: CONTAINER, endpoint: null, accountKey: null, requests, ...changes });
  }

  async function assertServes(store: AzureObjectStore, key: string): Promise<void> {
    const body = Buffer.alloc(3 * MIB, key);
    assert.equal(await store.putIfAbsent(key, [body]), 'created');
    assert.ok(body.equals((await store.get(key))!));
    assert.equal((await store.head(key))?.sizeBytes, body.byteLength);
    await store.close();
  }

  it('by an account key goes through the proxy and trusts the authority', async () => {
    hosts.tunnels.length = 0;
    await assertServes(new AzureObjectStore(settings({ accountKey: AZURITE_ACCOUNT.key })), 'by/key');
    assert.deepEqual([...new Set(hosts.tunnels)], [`${STORE_HOST}:443`]);
  });

  it('by a service principal asks for a token once, with its secret', async () => {
    login = () => json(200, token(3600));
    logins.length = 0;
    const principal = { tenantId: TENANT, clientId: CLIENT, clientSecret: 'the secret' };
    await assertServes(new AzureObjectStore(settings(principal)), 'by/principal');
    assert.equal(logins.length, 1);
    const { client_id, client_secret, grant_type, scope } = Object.fromEntries(logins[0]!);
    assert.deepEqual([client_id, client_secret, grant_type], [CLIENT, 'the secret', 'client_credentials']);
    assert.match(scope ?? '', /https:\/\/storage\.azure\.com\/\.default/);
  });

  it('by a workload identity hands in the token of the host', async () => {
    login = () => json(200, token(3600));
    logins.length = 0;
    const file = join(dirname(authority.certificate), 'federated-token');
    await writeFile(file, 'token of the host');
    await withEnvironment({ AZURE_FEDERATED_TOKEN_FILE: file }, () => {
      const identity = { useWorkloadIdentity: true, tenantId: TENANT, clientId: CLIENT };
      return assertServes(new AzureObjectStore(settings(identity)), 'by/identity');
    });
    const { client_id, client_assertion } = Object.fromEntries(logins[0]!);
    assert.deepEqual([client_id, client_assertion], [CLIENT, 'token of the host']);
  });

  it('by what the environment says asks for a token with the secret that is there', async () => {
    login = () => json(200, token(3600));
    logins.length = 0;
    const principal = {
      AZURE_TENANT_ID: TENANT,
      AZURE_CLIENT_ID: 'of the environment',
      AZURE_CLIENT_SECRET: 'its secret',
    };
    await withEnvironment({ ...NOTHING, ...principal }, () =>
      assertServes(new AzureObjectStore(settings({})), 'by/environment'),
    );
    assert.equal(logins.length, 1);
    const { client_id, client_secret, grant_type } = Object.fromEntries(logins[0]!);
    assert.deepEqual(
      [client_id, client_secret, grant_type],
      ['of the environment', 'its secret', 'client_credentials'],
    );
  });

  it('by the managed identity of its host asks the metadata service for the one that is named', async () => {
    const service = await HostService.start();
    service.answer = ({ headers }) =>
      headers.metadata === 'true' ? json(200, token(3600)) : json(400, { error: 'invalid_request' });
    try {
      await withEnvironment({ ...NOTHING, AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://${service.address}` }, () =>
        assertServes(new AzureObjectStore(settings({ clientId: CLIENT })), 'by/managed-identity'),
      );
      const asked = service.seen.filter(({ headers }) => headers.metadata === 'true');
      assert.ok(asked.length > 0);
      const { pathname, searchParams } = new URL(asked[0]!.url, 'http://host');
      assert.match(pathname, /^\/metadata\/identity\/oauth2\/token\/?$/);
      assert.match(searchParams.get('resource') ?? '', /^https:\/\/storage\.azure\.com/);
      assert.equal(searchParams.get('client_id'), CLIENT);
    } finally {
      service.stop();
    }
  });

  it('by a workload identity whose token is not there is refused, and names the file', async () => {
    await withEnvironment({ ...NOTHING, AZURE_FEDERATED_TOKEN_FILE: '/nowhere/token' }, async () => {
      const store = new AzureObjectStore(settings({ useWorkloadIdentity: true, tenantId: TENANT, clientId: 'other' }));
      await assert.rejects(store.head('a/key'), {
        code: 'STORE_AUTHENTICATION_FAILED',
        message: /^GetBlobProperties a\/key in .*\/nowhere\/token.*identity of this host/,
      });
      await store.close();
    });
  });

  it('in a tenant that cannot be one is refused at once', async () => {
    const principal = { tenantId: 'no tenant/..', clientId: 'homeless', clientSecret: 'the secret' };
    const attempts: string[] = [];
    const store = new AzureObjectStore(settings(principal), { observe: ({ outcome }) => void attempts.push(outcome) });
    await assert.rejects(store.head('a/key'), {
      code: 'STORE_AUTHENTICATION_FAILED',
      message: /Invalid tenant id provided.*Mend storage\.tenant_id, or AZURE_TENANT_ID of the environment\./,
    });
    assert.equal(attempts.length, 1);
    await store.close();
  });

  it('of a service that nobody trusts says what to do', async () => {
    const requests = { ...QUICK_REQUESTS, proxy: hosts.proxy };
    const principal = { tenantId: TENANT, clientId: 'untrusting', clientSecret: 'the secret' };
    const store = new AzureObjectStore(settings({ ...principal, requests }));
    await assert.rejects(store.head('untrusted'), { code: 'STORE_UNSUITABLE', message: /ssl_ca_location/ });
    await store.close();
  });

  it('asks for another token before the old one ends', async () => {
    login = () => json(200, token(logins.length === 1 ? 60 : 3600));
    logins.length = 0;
    const principal = { tenantId: TENANT, clientId: 'another', clientSecret: 'the secret' };
    const store = new AzureObjectStore(settings(principal));
    await store.head('renewed/first');
    await store.head('renewed/second');
    await store.close();
    assert.ok(logins.length >= 2, `${logins.length} logins`);
  });

  it('that is refused says what Microsoft said, and never the secret', async () => {
    const said = 'AADSTS7000215: Invalid client secret provided.';
    login = () => json(401, { error: 'invalid_client', error_description: said, error_codes: [7_000_215] });
    const principal = { tenantId: TENANT, clientId: 'wrong', clientSecret: 'CANARY' };
    const store = new AzureObjectStore(settings(principal));
    await assert.rejects(store.head('refused'), (error: Error & { readonly code?: string }) => {
      assert.equal(error.code, 'STORE_AUTHENTICATION_FAILED', error.message);
      assert.match(error.message, /AADSTS7000215.*client_secret/);
      assert.ok(!`${error.message}${String(error.cause)}`.includes('CANARY'));
      return true;
    });
    await store.close();
  });

  it('tries again where the service that logs in did not answer', async () => {
    let asked = 0;
    login = () => {
      asked += 1;
      if (asked === 1) throw new Error('the connection breaks');
      return json(200, token(3600));
    };
    const principal = { tenantId: TENANT, clientId: 'patient', clientSecret: 'the secret' };
    await assertServes(new AzureObjectStore(settings(principal)), 'by/patience');
    assert.ok(asked >= 2);
  });

  it('does not wait for a login that is never answered: there is another one', async () => {
    let asked = 0;
    login = () => {
      asked += 1;
      return asked === 1 ? NEVER : json(200, token(3600));
    };
    const principal = { tenantId: TENANT, clientId: 'waiting', clientSecret: 'the secret' };
    const { requests } = settings({});
    const quick = { requests: { ...requests, requestTimeoutMs: 1000 } };
    await assertServes(new AzureObjectStore(settings({ ...principal, ...quick })), 'by/second-login');
    assert.ok(asked >= 2, `${asked} logins`);
  });

  it('to a host whose authority nobody trusts is refused, and says what to do', async () => {
    const requests = { ...QUICK_REQUESTS, proxy: hosts.proxy };
    const store = new AzureObjectStore(settings({ accountKey: AZURITE_ACCOUNT.key, requests }));
    await assert.rejects(store.head('untrusted'), { code: 'STORE_UNSUITABLE', message: /ssl_ca_location/ });
    await store.close();
  });
});

function json(status: number, value: object): HostAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

/** An answer with a token of which Azurite believes what it says. */
function token(expiresInSeconds: number): object {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const times = { iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 3600 };
  const claims = { iss: `https://sts.windows.net/${TENANT}/`, aud: 'https://storage.azure.com', ...times };
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const access_token = `${encode({ alg: 'none' })}.${encode(claims)}.nobody`;
  return { token_type: 'Bearer', expires_in: expiresInSeconds, access_token };
}
