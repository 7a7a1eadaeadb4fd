// Logging into Google Cloud Storage as in the cloud: under the names of Google's hosts, over TLS with an authority of the operator's
// own, through a proxy. The store is fake-gcs-server; what hands out tokens, and asks for them, is the test.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { GcsSettings } from '../../../src/storage/gcs/gcs-client.ts';
import { GcsObjectStore } from '../../../src/storage/gcs/gcs-object-store.ts';
import type { RequestObserver } from '../../../src/storage/request/request-policy.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { CloudHosts, forwardTo, type Host, type HostAnswer, NEVER } from '../../support/stores/cloud-hosts.ts';
import { type FakeGcs, startFakeGcs } from '../../support/stores/fake-gcs.ts';
import { HostService, withEnvironment } from '../../support/stores/host-services.ts';
import { QUICK_REQUESTS } from '../../support/stores/store-server.ts';

const MIB = 1024 * 1024;
const BUCKET = 'backups';
const STORE_HOST = 'storage.googleapis.com';
const LOGIN_HOST = 'oauth2.googleapis.com';
/** Of the metadata server. */
const TOKEN_PATH = /^\/computeMetadata\/v1\/instance\/service-accounts\/default\/token/;
const ACCOUNT = 'backup@project.iam.gserviceaccount.com';

describe('logging into Google Cloud Storage', { timeout: 120_000 }, () => {
  let authority: CertificateAuthority;
  let gcs: FakeGcs;
  let hosts: CloudHosts;
  let key: KeyObject;
  let keyFile: string;
  let logins = 0;
  let login: (assertion: string) => HostAnswer | Promise<HostAnswer>;
  /** Lifetime of what is handed out. */
  let seconds = 3600;

  before(async () => {
    authority = await CertificateAuthority.create();
    gcs = await startFakeGcs();
    await gcs.createBucket(BUCKET);
    const toStore = forwardTo(gcs.endpoint);
    const store: Host = async (request) => {
      if (request.headers.authorization !== `Bearer token-${logins}`) return refusal(401, 'Invalid Credentials');
      const answer = await toStore(request);
      const location = answer.headers?.location;
      if (typeof location !== 'string') return answer;
      // As Google does, under the host's own name.
      const moved = location.replace(/^https?:\/\/[^/]+/, `https://${STORE_HOST}`);
      return { ...answer, headers: { ...answer.headers, location: moved } };
    };
    const tokens: Host = ({ body }) => login(new URLSearchParams(body.toString()).get('assertion') ?? '');
    hosts = await CloudHosts.start(authority, { [STORE_HOST]: store, [LOGIN_HOST]: tokens });
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    key = pair.publicKey;
    keyFile = join(dirname(authority.certificate), 'service-account.json');
    const private_key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
    await writeFile(keyFile, JSON.stringify({ type: 'service_account', client_email: ACCOUNT, private_key }));
  });

  after(async () => {
    await hosts?.stop();
    await gcs?.server.stop();
    await authority?.remove();
  });

  function settings(changes: Partial<GcsSettings> = {}): GcsSettings {
    const requests = { ...QUICK_REQUESTS, proxy: hosts.proxy, caPath: authority.certificate };
    return gcs.settings({ bucket: BUCKET, endpoint: null, serviceAccountPath: keyFile, requests, ...changes });
  }

  function grant(): HostAnswer {
    logins += 1;
    return json(200, { access_token: `token-${logins}`, expires_in: seconds, token_type: 'Bearer' });
  }

  async function assertServes(store: GcsObjectStore, name: string): Promise<void> {
    const body = Buffer.alloc(3 * MIB, name);
    assert.equal(await store.putIfAbsent(name, [body]), 'created');
    assert.equal(await store.putIfAbsent(`${name}-small`, [Buffer.from('x')]), 'created');
    assert.ok(body.equals((await store.get(name))!));
    assert.equal((await store.head(name))?.sizeBytes, body.byteLength);
    await store.close();
  }

  it('by the key file of a service account asks for one token, signed with its key, for no more than objects', async () => {
    const assertions: string[] = [];
    login = (assertion) => {
      assertions.push(assertion);
      return grant();
    };
    await assertServes(new GcsObjectStore(settings()), 'by/key-file');
    assert.equal(assertions.length, 1);
    const [header = '', claims = '', signature = ''] = assertions[0]!.split('.');
    assert.ok(verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url')));
    const { iss, scope } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
    assert.deepEqual([iss, scope], [ACCOUNT, 'https://www.googleapis.com/auth/devstorage.read_write']);
    assert.deepEqual([...new Set(hosts.tunnels)].sort(), [`${LOGIN_HOST}:443`, `${STORE_HOST}:443`]);
  });

  it('by the application default credentials finds the key file that the environment names', async () => {
    login = grant;
    await withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS: keyFile }, () =>
      assertServes(new GcsObjectStore(settings({ serviceAccountPath: null })), 'by/default'),
    );
  });

  it('by a workload identity hands in the token of its own cloud, from the file that its configuration names', async () => {
    const service = await HostService.start();
    const exchanges: URLSearchParams[] = [];
    service.answer = ({ body }) => {
      exchanges.push(new URLSearchParams(body.toString()));
      return grant();
    };
    const directory = dirname(authority.certificate);
    const [configuration, subject] = [join(directory, 'federation.json'), join(directory, 'subject-token')];
    const audience = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/other';
    await writeFile(subject, 'token of the other cloud');
    const federation = { type: 'external_account', audience, token_url: `http://${service.address}/v1/token` };
    const source = { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt', credential_source: { file: subject } };
    await writeFile(configuration, JSON.stringify({ ...federation, ...source }));
    try {
      await withEnvironment({ GOOGLE_APPLICATION_CREDENTIALS: configuration }, () =>
        assertServes(new GcsObjectStore(settings({ serviceAccountPath: null })), 'by/federation'),
      );
    } finally {
      service.stop();
    }
    assert.equal(exchanges.length, 1);
    const { subject_token, audience: told, scope } = Object.fromEntries(exchanges[0]!);
    assert.deepEqual([subject_token, told], ['token of the other cloud', audience]);
    assert.equal(scope, 'https://www.googleapis.com/auth/devstorage.read_write');
  });

  it('by the application default credentials asks the metadata server of its host, again before the token ends', async () => {
    const service = await HostService.start();
    const given = (): number => service.seen.filter(({ url }) => TOKEN_PATH.test(url)).length;
    service.answer = ({ url, headers }) => {
      if (headers['metadata-flavor'] !== 'Google') return { status: 403, body: '' };
      const isThere = url.startsWith('/computeMetadata/v1/instance');
      const answer = TOKEN_PATH.test(url) ? grant() : { status: isThere ? 200 : 404, body: '' };
      return { ...answer, headers: { ...answer.headers, 'metadata-flavor': 'Google' } };
    };
    const nowhere = { GOOGLE_APPLICATION_CREDENTIALS: undefined, CLOUDSDK_CONFIG: '/nowhere' };
    try {
      await withEnvironment({ ...nowhere, GCE_METADATA_HOST: service.address }, async () => {
        seconds = 60;
        const store = new GcsObjectStore(settings({ serviceAccountPath: null }));
        await store.head('metadata/first');
        const before = given();
        seconds = 3600;
        await store.head('metadata/second');
        await assertServes(store, 'by/metadata');
        assert.deepEqual([before > 0, given()], [true, before + 1]);
      });
    } finally {
      seconds = 3600;
      service.stop();
    }
  });

  it('by nothing at all is refused, and says where credentials are looked for', async () => {
    const nowhere = { GOOGLE_APPLICATION_CREDENTIALS: undefined, CLOUDSDK_CONFIG: '/nowhere' };
    await withEnvironment({ ...nowhere, METADATA_SERVER_DETECTION: 'none' }, async () => {
      const store = new GcsObjectStore(settings({ serviceAccountPath: null }));
      await assert.rejects(store.head('nobody'), {
        code: 'STORE_AUTHENTICATION_FAILED',
        message:
          /^GetObjectMetadata nobody in bucket backups: Could not load the default credentials.*service_account_path/,
      });
      await store.close();
    });
  });

  it('asks for another token before the old one ends', async () => {
    login = grant;
    seconds = 60;
    const before = logins;
    const store = new GcsObjectStore(settings());
    await store.head('renewed/first');
    await store.head('renewed/second');
    await store.close();
    seconds = 3600;
    assert.ok(logins - before >= 2, `${logins - before} logins`);
  });

  it('that is refused says what Google said, and never the key', async () => {
    login = () => json(400, { error: 'invalid_grant', error_description: 'Invalid grant: account not found' });
    const store = new GcsObjectStore(settings());
    await assert.rejects(store.head('refused'), (error: Error & { readonly code?: string }) => {
      assert.equal(error.code, 'STORE_AUTHENTICATION_FAILED', error.message);
      assert.match(error.message, /invalid_grant.*account not found.*service_account_path/);
      assert.ok(!`${error.message}${String(error.cause)}`.includes('PRIVATE KEY'));
      return true;
    });
    await store.close();
  });

  it('with a clock that is wrong says so', async () => {
    const said = 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.';
    login = () => json(400, { error: 'invalid_grant', error_description: said });
    const store = new GcsObjectStore(settings());
    await assert.rejects(store.head('skewed'), { code: 'STORE_AUTHENTICATION_FAILED', message: /clock of this host/ });
    await store.close();
  });

  it('waits while the service that logs in does not answer', async () => {
    let asked = 0;
    login = () => {
      asked += 1;
      return asked === 1 ? json(503, { error: 'unavailable' }) : grant();
    };
    const attempts: string[] = [];
    const observe: RequestObserver = ({ outcome }) => void attempts.push(outcome);
    await assertServes(new GcsObjectStore(settings(), { observe }), 'by/patience');
    assert.equal(asked, 2);
    assert.equal(attempts[0], 'throttled', 'the request policy asks again, and nobody else');
  });

  it('does not wait for a login that is never answered: there is another one', async () => {
    let asked = 0;
    login = () => {
      asked += 1;
      return asked === 1 ? NEVER : grant();
    };
    const { requests } = settings();
    await assertServes(
      new GcsObjectStore(settings({ requests: { ...requests, requestTimeoutMs: 1000 } })),
      'by/second',
    );
    assert.ok(asked >= 2, `${asked} logins`);
  });

  it('by a file that is no key is refused, and nothing of it is shown', async () => {
    const account = { type: 'service_account', client_email: ACCOUNT };
    for (const content of [
      'CANARY',
      JSON.stringify({ ...account, private_key: 'CANARY' }),
      JSON.stringify({ type: 'external_account', credential_source: { file: 'CANARY' } }),
    ]) {
      const file = join(dirname(authority.certificate), 'no-key');
      await writeFile(file, content);
      assert.throws(
        () => new GcsObjectStore(settings({ serviceAccountPath: file })),
        (error: Error & { readonly code?: string }) => {
          assert.equal(error.code, 'CONFIG_INVALID');
          assert.match(error.message, /storage\.service_account_path .*no-key is not the key file/);
          assert.ok(!`${error.message}${String(error.cause)}`.includes('CANARY'));
          return true;
        },
      );
    }
  });

  it('to a host whose authority nobody trusts is refused, and says what to do', async () => {
    login = grant;
    const requests = { ...QUICK_REQUESTS, proxy: hosts.proxy };
    const store = new GcsObjectStore(settings({ requests }));
    await assert.rejects(store.head('untrusted'), { code: 'STORE_UNSUITABLE', message: /ssl_ca_location/ });
    await store.close();
  });
});

function refusal(status: number, message: string): HostAnswer {
  return json(status, { error: { code: status, message, errors: [{ reason: 'authError', message }] } });
}

function json(status: number, value: object): HostAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}
