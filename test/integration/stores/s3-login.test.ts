// S3 as at AWS: under the names of its hosts, over TLS with an authority of the operator's own, through a proxy, and logged into by
// each way of the default credential chain. The store is versitygw; what hands out credentials, and keeps what it is asked, is the test.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { S3Settings } from '../../../src/storage/s3/s3-client.ts';
import { S3ObjectStore } from '../../../src/storage/s3/s3-object-store.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import {
  CloudHosts,
  forwardTo,
  type Host,
  type HostAnswer,
  type HostRequest,
  NEVER,
} from '../../support/stores/cloud-hosts.ts';
import { HostService, withEnvironment } from '../../support/stores/host-services.ts';
import { startVersitygw, VERSITYGW_KEYS, VERSITYGW_REGION, type Versitygw } from '../../support/stores/versitygw.ts';

const MIB = 1024 * 1024;
const BUCKET = 'backups';
const STORE_HOST = `s3.${VERSITYGW_REGION}.amazonaws.com`;
const LOGIN_HOST = `sts.${VERSITYGW_REGION}.amazonaws.com`;
const ROLE = 'arn:aws:iam::123456789012:role/backup';
/** Temporary credentials, as they are handed out by whom the SDK asks. */
const SESSION = 'session of the role';
const SESSION_KEY = 'ASIASESSION';
/** Of the bucket in the host name. */
const OTHER_HOSTS = [
  `${BUCKET}.${STORE_HOST}`,
  `${BUCKET}.s3-accelerate.amazonaws.com`,
  `${BUCKET}.s3-accelerate.dualstack.amazonaws.com`,
];

/** Nothing of what the machine of the test may have. */
const NOTHING = {
  AWS_ACCESS_KEY_ID: undefined,
  AWS_SECRET_ACCESS_KEY: undefined,
  AWS_SESSION_TOKEN: undefined,
  AWS_PROFILE: undefined,
  AWS_REGION: undefined,
  AWS_ROLE_ARN: undefined,
  AWS_WEB_IDENTITY_TOKEN_FILE: undefined,
  AWS_CONTAINER_CREDENTIALS_FULL_URI: undefined,
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: undefined,
  AWS_SHARED_CREDENTIALS_FILE: '/nowhere/credentials',
  AWS_CONFIG_FILE: '/nowhere/config',
  AWS_EC2_METADATA_DISABLED: 'true',
};

describe('S3 under the names of AWS', { timeout: 120_000 }, () => {
  let authority: CertificateAuthority;
  let gateway: Versitygw;
  let hosts: CloudHosts;
  let service: HostService;
  /** What the hosts other than the login were asked, with the host in front. */
  const asked: (HostRequest & { readonly host: string })[] = [];
  const objects = new Map<string, Buffer>();
  /** Bodies of requests to STS. */
  const logins: URLSearchParams[] = [];
  let login: () => HostAnswer | Promise<HostAnswer>;

  before(async () => {
    authority = await CertificateAuthority.create();
    gateway = await startVersitygw();
    await gateway.createBucket(BUCKET);
    const toStore = forwardTo(gateway.endpoint);
    const store: Host = (request) => ('x-amz-security-token' in request.headers ? serve(request) : toStore(request));
    const recorded = (host: string, answer: Host): [string, Host] => [
      host,
      (request) => {
        asked.push({ ...request, host });
        return answer(request);
      },
    ];
    hosts = await CloudHosts.start(authority, {
      ...Object.fromEntries([recorded(STORE_HOST, store)]),
      ...Object.fromEntries(OTHER_HOSTS.map((host) => recorded(host, putsOnly))),
      [LOGIN_HOST]: ({ body }) => {
        logins.push(new URLSearchParams(body.toString()));
        return login();
      },
    });
    service = await HostService.start();
  });

  after(async () => {
    service?.stop();
    await hosts?.stop();
    await gateway?.server.stop();
    await authority?.remove();
  });

  beforeEach(() => {
    for (const list of [asked, logins, hosts.tunnels, service.seen]) list.length = 0;
  });

  const putsOnly: Host = ({ method }) =>
    method === 'PUT'
      ? { status: 200, headers: { etag: '"tag"' }, body: '' }
      : refusal(403, 'AccessDenied', 'no upload');

  /** Sessions of roles versitygw knows nothing of: an object is kept by the test, and only for the one that was handed out. */
  const serve: Host = ({ method, url, headers, body }) => {
    const isKnown = headers['x-amz-security-token'] === SESSION && headers.authorization?.includes(SESSION_KEY);
    if (isKnown !== true) return refusal(400, 'InvalidToken', 'another session');
    const path = url.split('?')[0] ?? '';
    if (method === 'PUT') {
      objects.set(path, body);
      return { status: 200, headers: { etag: '"tag"' }, body: '' };
    }
    const found = objects.get(path);
    if (found === undefined) return refusal(404, 'NoSuchKey', 'no such key');
    return { status: 200, headers: { 'content-length': String(found.byteLength), etag: '"tag"' }, body: found };
  };

  function open(change: Partial<S3Settings> = {}, terms: Partial<S3Settings['requests']> = {}): S3ObjectStore {
    const settings = gateway.settings({ bucket: BUCKET, endpoint: null, ...change });
    const requests = { ...settings.requests, ...terms, proxy: hosts.proxy, caPath: authority.certificate };
    return new S3ObjectStore({ ...settings, requests });
  }

  /** Where the environment has to say who we are. */
  const openUnnamed = (): S3ObjectStore => open({ credentials: null });

  async function assertServes(store: S3ObjectStore, key: string, sizes: readonly number[] = [10]): Promise<void> {
    for (const sizeBytes of sizes) {
      const body = Buffer.alloc(sizeBytes, key);
      assert.equal(await store.putIfAbsent(`${key}-${sizeBytes}`, [body]), 'created');
      assert.ok(body.equals((await store.get(`${key}-${sizeBytes}`))!));
    }
    await store.close();
  }

  it('is reached through the proxy, and its authority is the one that is named', async () => {
    await assertServes(open(), 'by/keys', [10, 6 * MIB]);
    assert.deepEqual([...new Set(hosts.tunnels)], [`${STORE_HOST}:443`]);
    const settings = gateway.settings({ bucket: BUCKET, endpoint: null });
    const untrusting = new S3ObjectStore({ ...settings, requests: { ...settings.requests, proxy: hosts.proxy } });
    await assert.rejects(untrusting.head('a'), { code: 'STORE_UNSUITABLE', message: /storage\.ssl_ca_location/ });
    await untrusting.close();
  });

  for (const { what, change, host, path } of [
    { what: 'by default', change: {}, host: OTHER_HOSTS[0], path: '/a/key' },
    { what: 'with path style, not', change: { pathStyle: true }, host: STORE_HOST, path: `/${BUCKET}/a/key` },
    {
      what: 'of Transfer Acceleration',
      change: { endpoint: 'https://s3-accelerate.amazonaws.com' },
      host: OTHER_HOSTS[1],
      path: '/a/key',
    },
    {
      what: 'of Transfer Acceleration over IPv6 too',
      change: { endpoint: 'https://s3-accelerate.dualstack.amazonaws.com' },
      host: OTHER_HOSTS[2],
      path: '/a/key',
    },
  ]) {
    it(`has the bucket in the name of the host ${what}`, async () => {
      const store = open({ pathStyle: false, ...change });
      await store.head('a/key').catch(() => {});
      await store.close();
      const [first] = asked;
      assert.deepEqual([first?.host, first?.url.split('?')[0]], [host, path]);
    });
  }

  it('is told with each new object how to encrypt, tag, class and lock it', async () => {
    const days = 7;
    const store = open({
      pathStyle: false,
      serverSideEncryption: 'aws:kms',
      kmsKeyId: 'arn:aws:kms:us-east-1:123456789012:key/abc',
      storageClass: 'STANDARD_IA',
      tags: new Map([['team', 'data + co']]),
      objectLock: { mode: 'COMPLIANCE', days },
    });
    assert.equal(await store.putIfAbsent('small', [Buffer.from('x')]), 'created');
    // The host of this test begins no upload, so that a large object ends at its beginning, which says all of this.
    await assert.rejects(store.putIfAbsent('large', [Buffer.alloc(6 * MIB)]), /CreateMultipartUpload large in bucket/);
    await store.close();
    assert.deepEqual(
      asked.map(({ method, url }) => `${method} ${url.replace(/x-id=\w+/, '')}`),
      ['PUT /small?', 'POST /large?uploads='],
    );
    for (const { headers } of asked) {
      assert.equal(headers['x-amz-server-side-encryption'], 'aws:kms');
      assert.equal(
        headers['x-amz-server-side-encryption-aws-kms-key-id'],
        'arn:aws:kms:us-east-1:123456789012:key/abc',
      );
      assert.equal(headers['x-amz-storage-class'], 'STANDARD_IA');
      assert.equal(headers['x-amz-tagging'], 'team=data+%2B+co');
      assert.equal(headers['x-amz-object-lock-mode'], 'COMPLIANCE');
      const untilMs = Date.parse(String(headers['x-amz-object-lock-retain-until-date']));
      assert.ok(Math.abs(untilMs - Date.now() - days * 86_400_000) < 60_000, String(untilMs));
    }
    assert.equal(asked[0]?.headers['if-none-match'], '*');
    asked.length = 0;
    const plain = open({ pathStyle: false, serverSideEncryption: 'AES256' });
    await plain.putIfAbsent('plain', [Buffer.from('x')]);
    await plain.close();
    assert.equal(asked[0]?.headers['x-amz-server-side-encryption'], 'AES256');
    const names = Object.keys(asked[0]?.headers ?? {});
    assert.deepEqual(
      names.filter((name) => /kms|storage-class|tagging|object-lock/.test(name)),
      [],
    );
  });

  describe('is logged into by', () => {
    it('a web identity, as pods of Kubernetes are: the role for the token of the pod, asked for once', async () => {
      const file = join(dirname(authority.certificate), 'web-identity');
      await writeFile(file, 'token of the pod');
      login = () => assumed(3600);
      await withEnvironment({ ...NOTHING, AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file }, () =>
        assertServes(openUnnamed(), 'by/web-identity'),
      );
      assert.equal(logins.length, 1);
      const { Action, RoleArn, WebIdentityToken } = Object.fromEntries(logins[0]!);
      assert.deepEqual([Action, RoleArn, WebIdentityToken], ['AssumeRoleWithWebIdentity', ROLE, 'token of the pod']);
      assert.ok(hosts.tunnels.includes(`${LOGIN_HOST}:443`), 'STS is asked through the proxy too');
    });

    it('a web identity again, with the token as it is then, before what it gave ends', async () => {
      const file = join(dirname(authority.certificate), 'web-identity-renewed');
      await writeFile(file, 'first token');
      let seconds = 60;
      login = () => assumed(seconds);
      await withEnvironment({ ...NOTHING, AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file }, async () => {
        const store = openUnnamed();
        await store.head('renewed/first');
        await writeFile(file, 'second token');
        seconds = 3600;
        await store.head('renewed/second');
        await store.head('renewed/third');
        await store.close();
      });
      const tokens = logins.map((body) => body.get('WebIdentityToken'));
      assert.equal(tokens[0], 'first token');
      assert.deepEqual(
        tokens.filter((token) => token !== 'first token'),
        ['second token'],
      );
    });

    it('the role of its instance, by a session of the metadata service, and again before that ends', async () => {
      let [given, seconds] = [0, 60];
      service.answer = ({ method, url }) => {
        if (method === 'PUT' && url === '/latest/api/token') return { status: 200, body: 'session of IMDS' };
        if (url === '/latest/meta-data/iam/security-credentials/') return { status: 200, body: 'backup-role' };
        if (url !== '/latest/meta-data/iam/security-credentials/backup-role') return { status: 404, body: '' };
        given += 1;
        return json({ Code: 'Success', Type: 'AWS-HMAC', ...instanceKeys(seconds) });
      };
      const address = `http://${service.address}`;
      const environment = { AWS_EC2_METADATA_DISABLED: undefined, AWS_EC2_METADATA_SERVICE_ENDPOINT: address };
      await withEnvironment({ ...NOTHING, ...environment }, async () => {
        const store = openUnnamed();
        await store.head('instance/first');
        const before = given;
        seconds = 3600;
        await store.head('instance/second');
        await assertServes(store, 'by/instance');
        assert.deepEqual([before > 0, given], [true, before + 1]);
      });
      const credentials = service.seen.filter(({ url }) => url.includes('security-credentials'));
      assert.ok(credentials.every(({ headers }) => headers['x-aws-ec2-metadata-token'] === 'session of IMDS'));
    });

    it('what the agent of its pod or task hands out', async () => {
      const file = join(dirname(authority.certificate), 'pod-identity');
      await writeFile(file, 'who I am');
      service.answer = () => json(instanceKeys(3600));
      const environment = {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${service.address}/v1/credentials`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
      };
      await withEnvironment({ ...NOTHING, ...environment }, () => assertServes(openUnnamed(), 'by/container'));
      assert.deepEqual(
        service.seen.map(({ url, headers }) => [url, headers.authorization]),
        [['/v1/credentials', 'who I am']],
      );
    });

    it('the profile that the environment names', async () => {
      const file = join(dirname(authority.certificate), 'credentials');
      const { accessKey, secretKey } = VERSITYGW_KEYS;
      await writeFile(file, `[backup]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\n`);
      const environment = { AWS_PROFILE: 'backup', AWS_SHARED_CREDENTIALS_FILE: file };
      await withEnvironment({ ...NOTHING, ...environment }, () => assertServes(openUnnamed(), 'by/profile'));
    });
  });

  describe('refuses', () => {
    async function assertRefused(environment: Record<string, string | undefined>, says: RegExp): Promise<void> {
      const store = openUnnamed();
      await withEnvironment({ ...NOTHING, ...environment }, () =>
        assert.rejects(store.putIfAbsent('a/key', [Buffer.from('x')]), (error: Error & { readonly code?: string }) => {
          assert.equal(error.code, 'STORE_AUTHENTICATION_FAILED', error.message);
          assert.match(error.message, /^PutObject a\/key in bucket backups: /);
          assert.match(error.message, says);
          assert.ok(!`${error.message}${String(error.cause)}`.includes('CANARY'));
          return true;
        }),
      );
      await store.close();
    }

    it('whoever has no credentials at all', () => assertRefused({}, /Check access_key.*those of the environment/));

    it('keys with a character that no header can hold, such as the line break of a file, and names the key', async () => {
      const keys = { AWS_ACCESS_KEY_ID: VERSITYGW_KEYS.accessKey, AWS_SECRET_ACCESS_KEY: VERSITYGW_KEYS.secretKey };
      const broken = { ...keys, AWS_ACCESS_KEY_ID: 'CANARY\n' };
      await assertRefused(
        broken,
        /a line break or another character .*: mend access_key, or the one of the environment/,
      );
      const token = { ...keys, AWS_SESSION_TOKEN: 'CANARY\n' };
      await assertRefused(
        token,
        /a line break or another character .*: mend session_token, or the one of the environment/,
      );
    });

    it('a web identity that may not have the role, that is not known or that has ended', async () => {
      const file = join(dirname(authority.certificate), 'web-identity-refused');
      await writeFile(file, 'CANARY');
      const environment = { AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file };
      for (const [status, code, message] of [
        [403, 'AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity'],
        [400, 'InvalidIdentityToken', 'No OpenIDConnect provider found in your account'],
        [400, 'ExpiredTokenException', 'Token expired: current date/time must be before the expiration date/time'],
      ] as const) {
        login = () => refusal(status, code, message);
        await assertRefused(environment, new RegExp(`${code} .*(role|token)`, 'i'));
      }
      await assertRefused({ ...environment, AWS_WEB_IDENTITY_TOKEN_FILE: '/nowhere/token' }, /nowhere\/token/);
    });

    it('nobody for a login that is away for a moment', async () => {
      const file = join(dirname(authority.certificate), 'web-identity-patient');
      await writeFile(file, 'token of the pod');
      login = () => (logins.length === 1 ? refusal(503, 'ServiceUnavailable', 'later') : assumed(3600));
      await withEnvironment({ ...NOTHING, AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file }, () =>
        assertServes(openUnnamed(), 'by/patience'),
      );
    });

    it('whoever waits for a login that is never answered: there is another one', async () => {
      const file = join(dirname(authority.certificate), 'web-identity-hanging');
      await writeFile(file, 'token of the pod');
      login = () => (logins.length === 1 ? NEVER : assumed(3600));
      await withEnvironment({ ...NOTHING, AWS_ROLE_ARN: ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: file }, () =>
        assertServes(open({ credentials: null }, { requestTimeoutMs: 1000 }), 'by/second-login'),
      );
      assert.ok(logins.length >= 2, `${logins.length} logins`);
    });
  });
});

function json(value: object): HostAnswer {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

function expiry(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** As the services of a host write them. */
function instanceKeys(seconds: number): object {
  return { AccessKeyId: SESSION_KEY, SecretAccessKey: 'secret', Token: SESSION, Expiration: expiry(seconds) };
}

/** As STS writes them. */
function assumed(seconds: number): HostAnswer {
  const body = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser><Arn>${ROLE}/agent</Arn><AssumedRoleId>ID:agent</AssumedRoleId></AssumedRoleUser>
    <Credentials><AccessKeyId>${SESSION_KEY}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
    <SessionToken>${SESSION}</SessionToken><Expiration>${expiry(seconds)}</Expiration></Credentials>
    </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
  return { status: 200, headers: { 'content-type': 'text/xml' }, body };
}

function refusal(status: number, code: string, message: string): HostAnswer {
  const body = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;
  return { status, headers: { 'content-type': 'text/xml' }, body };
}
