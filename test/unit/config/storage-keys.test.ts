// The keys of the store: what they become, and what contradicts what; and the store as --path names it.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { rootCertificates } from 'node:tls';
import { sourceStorageFromUrl, storageFromUrl } from '../../../src/config/storage/storage-url.ts';
import { checkOne, configFile, configOf, ENOUGH, loaded, problemsOf } from './config-files.ts';

/** Six lines; what a test adds begins in line 7. */
const BASE = ENOUGH.replace(/ {2}backend: filesystem\n {2}path: .*\n/, '  backend: s3\n');
const S3 = `${BASE}  bucket: b\n`;
const AZURE = `${BASE.replace('s3', 'azure')}  account_name: acc\n  container: ctr\n`;
const GCS = `${BASE.replace('s3', 'gcs')}  bucket: b\n`;

function storage(lines: string, base = S3) {
  return configOf(base + lines).storage;
}

describe('the keys of a directory', () => {
  it('may ask for writes through the page cache, which a cloud store has none of', () => {
    const given = storage('  direct_io: false\n', ENOUGH);
    assert.ok(given.kind === 'filesystem' && !given.directIo);
    checkOne(`${S3}  direct_io: false\n`, '8:14', 'storage.direct_io', 'backend s3');
  });
});

describe('the keys of S3', () => {
  it('need no more than a bucket', () => {
    assert.deepEqual(storage(''), {
      kind: 's3',
      bucket: 'b',
      prefix: '',
      region: null,
      endpoint: null,
      pathStyle: false,
      credentials: null,
      checksum: 'when_supported',
      serverSideEncryption: null,
      kmsKeyId: null,
      storageClass: null,
      tags: new Map(),
      objectLock: null,
      requests: {
        partSizeBytes: 8_388_608,
        maxPartsInFlight: 4,
        maxConcurrentRequests: 32,
        requestTimeoutMs: 60_000,
        retryTimeoutMs: 120_000,
        proxy: null,
        caPath: null,
      },
    });
  });

  it('say all that a bucket can be told', () => {
    const lines = `  prefix: /prod/eu/
  region: eu-central-1
  access_key: AK
  secret_key: SK
  session_token: ST
  checksum: when_required
  server_side_encryption: aws:kms
  kms_key_id: alias/backup
  storage_class: STANDARD_IA
  tags: {team: data, "cost:center": "42"}
  object_lock_mode: COMPLIANCE
  object_lock_days: 30
  part_size_bytes: 16MiB
`;
    const found = storage(lines);
    assert.ok(found.kind === 's3');
    const { prefix, credentials, tags, objectLock, storageClass, kmsKeyId, requests } = found;
    assert.equal(prefix, 'prod/eu');
    assert.deepEqual(credentials, { accessKey: 'AK', secretKey: 'SK', sessionToken: 'ST' });
    assert.deepEqual(
      [...tags],
      [
        ['team', 'data'],
        ['cost:center', '42'],
      ],
    );
    assert.deepEqual(objectLock, { mode: 'COMPLIANCE', days: 30 });
    assert.deepEqual([storageClass, kmsKeyId, requests.partSizeBytes], ['STANDARD_IA', 'alias/backup', 16 << 20]);
  });

  it('take the bucket into the path at an endpoint of one’s own, unless told otherwise', () => {
    for (const [lines, pathStyle, region] of [
      ['  endpoint: https://minio:9000\n', true, 'us-east-1'],
      ['  endpoint: https://minio:9000\n  path_style: false\n', false, 'us-east-1'],
      ['  endpoint: https://x.r2.cloudflarestorage.com\n  region: auto\n', true, 'auto'],
      ['  endpoint: https://s3-accelerate.amazonaws.com\n', false, null],
    ] as const) {
      const found = storage(lines);
      assert.ok(found.kind === 's3');
      assert.deepEqual([found.pathStyle, found.region], [pathStyle, region], lines);
    }
  });

  it('take secrets from files', () => {
    const [key, secret] = [configFile('AK\n'), configFile('S=K\r\n')];
    const found = storage(`  access_key_file: ${key}\n  secret_key_file: ${secret}\n`);
    assert.ok(found.kind === 's3');
    assert.deepEqual(found.credentials, { accessKey: 'AK', secretKey: 'S=K', sessionToken: null });
    // As templates write a key that has no value.
    const empty = storage(
      `  access_key: null\n  access_key_file: ${key}\n  secret_key_file: ${secret}\n  secret_key:\n`,
    );
    assert.deepEqual(empty, found);
  });

  it('warn of an endpoint without TLS unless it was allowed, and refuse it where that is forbidden', () => {
    const plain = '  endpoint: http://minio:9000\n';
    assert.match(
      loaded(S3 + plain)
        .notices.map(({ message }) => message)
        .join(),
      /without TLS/,
    );
    assert.deepEqual(loaded(`${S3}${plain}  allow_http: true\n`).notices, []);
    checkOne(`${S3}${plain}  allow_http: false\n`, '8:13', 'storage.endpoint', 'this endpoint has no TLS. Use https');
  });

  it('are refused where they contradict each other', () => {
    checkOne(BASE, '5:1', 'storage.bucket', 'backend s3 needs bucket. Name the bucket.');
    checkOne(`${BASE}  bucket: b/p\n`, '7:11', 'storage.bucket', 'no bucket has a slash in its name');
    loaded(`${BASE}  bucket: arn:aws:s3:eu-west-1:123456789012:accesspoint/backups\n`);
    checkOne(`${S3}  access_key: a\n`, '8:15', 'storage.access_key', 'access_key needs secret_key');
    checkOne(`${S3}  object_lock_days: 1\n`, '8:21', 'storage.object_lock_days', 'needs object_lock_mode');
    checkOne(`${S3}  session_token: a\n`, '8:18', 'storage.session_token', 'belongs to temporary keys');
    checkOne(`${S3}  kms_key_id: a\n`, '8:15', 'storage.kms_key_id', 'no KMS encryption is chosen');
    checkOne(`${S3}  prefix: ../a\n`, '8:11', 'storage.prefix', 'cannot begin an object key');
    checkOne(`${S3}  storage_class: GLACIER\n`, '8:18', 'storage.storage_class', 'cannot be read at once');
    checkOne(`${S3}  endpoint: minio:9000\n`, '8:13', 'storage.endpoint', 'is not an address such as');
    checkOne(`${S3}  endpoint: https://u:p@minio\n`, '8:13', 'storage.endpoint', 'takes no user and password');
    checkOne(
      `${S3}  endpoint: http://minio\n  proxy: http://p\n`,
      '9:10',
      'storage.proxy',
      'only to endpoints with TLS',
    );
    checkOne(`${S3}  proxy: https://p\n`, '8:10', 'storage.proxy', 'Write http://');
    checkOne(`${S3}  part_size_bytes: 1MiB\n`, '8:20', 'storage.part_size_bytes', 'Use 5MiB to 1GiB');
    checkOne(`${S3}  container: c\n`, '8:14', 'storage.container', 'It belongs to azure');
    checkOne(`${S3}  ssl_ca_location: /nowhere/ca.pem\n`, '8:20', 'storage.ssl_ca_location', 'there is no such file');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    for (const [text, says] of [
      ['', 'there is no certificate in this file. Name a PEM file'],
      ['CANARY', 'there is no certificate in this file'],
      [String(privateKey.export({ type: 'pkcs8', format: 'pem' })), 'this is a private key, not a certificate'],
      ['-----BEGIN CERTIFICATE-----\nCANARY\n-----END CERTIFICATE-----\n', 'certificate 1 of this file cannot be read'],
    ] as const) {
      const lines = `${S3}  ssl_ca_location: ${configFile(text)}\n`;
      checkOne(lines, '8:20', 'storage.ssl_ca_location', says);
      assert.doesNotMatch(JSON.stringify(problemsOf(lines)), /CANARY/);
    }
    const tags = Array.from({ length: 11 }, (_, index) => `t${index}: x`).join(', ');
    checkOne(`${S3}  tags: {${tags}}\n`, '8:9', 'storage.tags', 'at most 10 tags');
  });

  it('take the authorities of a bundle, whatever stands between them', () => {
    const bundle = Buffer.from(`# Autorit\u00e9\n${rootCertificates.slice(0, 2).join('\n# \u00e9\n')}\n`, 'latin1');
    const file = configFile(bundle);
    const found = storage(`  ssl_ca_location: ${file}\n`);
    assert.ok(found.kind === 's3' && found.requests.caPath === file);
  });

  it('are refused where no request could be addressed', () => {
    for (const region of ['eu west', 'eu-', 'eu.west'])
      checkOne(`${S3}  region: "${region}"\n`, '8:11', 'storage.region', 'this is not a region. Use one such as');
    const arn = 'arn:aws:s3:eu-west-1:123456789012:accesspoint/x';
    const point = `${BASE}  bucket: ${arn}\n`;
    const says = 'an ARN cannot be put into the path, as it is at this endpoint. Set path_style: false.';
    checkOne(`${point}  endpoint: https://minio\n`, '7:11', 'storage.bucket', says);
    checkOne(`${point}  path_style: true\n`, '7:11', 'storage.bucket', says);
    loaded(`${point}  endpoint: https://minio\n  path_style: false\n`);
    const accelerate = '  endpoint: https://s3-accelerate.amazonaws.com\n';
    checkOne(`${BASE}  bucket: a.b\n${accelerate}`, '7:11', 'storage.bucket', 'takes no bucket with a dot');
    loaded(`${BASE}  bucket: a.b\n`);
    for (const login of ['u%:p', 'u:CANARY%', 'u:%zz', 'u:%ff'])
      checkOne(`${S3}  proxy: http://${login}@p\n`, '8:10', 'storage.proxy', 'begins no escape. Write %25');
    assert.doesNotMatch(JSON.stringify(problemsOf(`${S3}  proxy: http://u:CANARY%@p\n`)), /CANARY/);
  });

  it('never show who logs in, or a query, of an address that is none', () => {
    for (const address of [
      'https://u:CANARY@minio/?x',
      'https://u:CAN/CANARY@minio:port',
      'minio://u:CANARY@host',
      `https://u:${'CANARY'.repeat(20)}@host?x`,
      'https://minio?CANARY',
      'https://minio#CANARY',
      'u:CANARY@minio:9000',
      'minio:9000/?token=CANARY',
    ]) {
      for (const key of ['endpoint', 'proxy']) {
        const problems = problemsOf(`${S3}  ${key}: "${address}"\n`);
        assert.doesNotMatch(JSON.stringify(problems), /CANARY/, address);
      }
    }
    checkOne(`${S3}  endpoint: https://:CANARY@minio\n`, '8:13', 'storage.endpoint', 'takes no user and password');
  });

  it('never show a secret in a problem', () => {
    const problems = problemsOf(`${S3}  secret_key: [CANARY]\n  session_token: {CANARY: 1}\n`);
    assert.ok(problems.length > 0);
    assert.doesNotMatch(JSON.stringify(problems), /CANARY/);
    const effective = loaded(
      `${S3}  proxy: http://us%40r:CANARY@proxy:3128\n  secret_key: CANARY\n  access_key: A\n`,
    ).effective();
    const shown = effective.find(({ key }) => key === 'storage.proxy');
    assert.equal(shown?.value, 'http://[hidden]@proxy:3128');
    assert.doesNotMatch(JSON.stringify(effective), /CANARY/);
  });
});

describe('the keys of Azure', () => {
  it('take a signature under its own key, and never show one that was pasted into the address', () => {
    for (const endpoint of [
      'http://host/account?sv=1&sig=CANARY',
      'https://account.blob.core.windows.net/c?sig=CANARY%2F&se=1',
      'account.blob.core.windows.net/c?sv=1&sig=CANARY',
      'sv=1&sig=CANARY',
      'sig=CANARY',
      `https://${'long.'.repeat(20)}host?sv=1&sig=CANARY`,
    ]) {
      const text = `${AZURE}  endpoint: "${endpoint}"\n`;
      checkOne(text, '9:13', 'storage.endpoint', 'Move it to sas_token or sas_token_file');
      assert.doesNotMatch(JSON.stringify(problemsOf(text)), /CANARY/, endpoint);
    }
  });

  it('allow one way to log in', () => {
    checkOne(`${AZURE}  account_key: a\n  sas_token: b\n`, '10:14', 'storage.sas_token', 'two ways to log in');
    checkOne(`${AZURE}  client_secret: a\n  client_id: b\n`, '9:18', 'storage.client_secret', 'needs tenant_id');
  });

  it('let no identity log in without TLS', () => {
    const plain = `${AZURE}  endpoint: http://emulator/a\n`;
    checkOne(plain, '9:13', 'storage.endpoint', 'without TLS. Use https, or log in with account_key');
    checkOne(`${plain}  use_workload_identity: true\n`, '10:26', 'storage.use_workload_identity', 'without TLS');
    for (const way of ['account_key: a2V5', 'sas_token: sv=1']) loaded(`${plain}  ${way}\n`);
  });

  it('are refused where the account key is none, together with all else, and without showing it', () => {
    const text = `${AZURE}  account_key: not!CANARY\n  part_size_bytes: 1\n`;
    assert.deepEqual(
      problemsOf(text).map(({ key }) => key),
      ['storage.account_key', 'storage.part_size_bytes'],
    );
    assert.doesNotMatch(JSON.stringify(problemsOf(text)), /CANARY/);
    checkOne(`${AZURE}  account_key: not!base64\n`, '9:16', 'storage.account_key', 'the value is not Base64');
    const file = configFile('not!base64\n');
    checkOne(`${AZURE}  account_key_file: ${file}\n`, '9:21', 'storage.account_key', 'the value is not Base64');
  });

  it('are refused where account and container can have no such name', () => {
    for (const name of ['a b', '.', 'host/x', 'ab', 'Account', 'a'.repeat(25), 'acc.blob', 'acc%20x']) {
      const text = AZURE.replace('account_name: acc', `account_name: "${name}"`);
      checkOne(text, '7:17', 'storage.account_name', 'no storage account has this name. Use 3 to 24 lower-case');
    }
    for (const name of ['a b', '.', '..', 'ab', 'Backups', 'a--b', '-ab', 'ab-', '$other', 'a'.repeat(64)]) {
      const text = AZURE.replace('container: ctr', `container: "${name}"`);
      checkOne(text, '8:14', 'storage.container', 'no container has this name. Use 3 to 63 lower-case letters');
    }
    for (const name of ['$root', '$web', '$logs', 'a-b-1', '123', 'a'.repeat(63)])
      loaded(AZURE.replace('container: ctr', `container: "${name}"`));
    for (const url of ['azure://acc%20x/ctr', 'azure://acc/c', 'azure://acc/a%20b'])
      assert.throws(() => storageFromUrl(url, {}), { code: 'CONFIG_INVALID', message: /has this name/ }, url);
  });

  it('take container by its other name too, wherever it is said', () => {
    const env = { KAFKA_BACKUP__STORAGE__CONTAINER_NAME: 'other' };
    const given = configOf(AZURE, { env }).storage;
    assert.ok(given.kind === 'azure' && given.container === 'other');
    const found = storageFromUrl('azure://acc?container_name=ctr', {});
    assert.ok(found.kind === 'azure' && found.container === 'ctr');
    const [problem] = problemsOf(AZURE, { env: { ...env, KAFKA_BACKUP__STORAGE__CONTAINER: 'another' } });
    assert.match(problem?.message ?? '', /STORAGE__CONTAINER and KAFKA_BACKUP__STORAGE__CONTAINER_NAME are both set/);
  });

  it('name a container, not what is in it', () => {
    const text = AZURE.replace('container: ctr', 'container: ctr/p2');
    checkOne(text, '8:14', 'storage.container', 'no container has a slash in its name. What is behind the container');
  });
});

describe('the keys of Google Cloud Storage', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const account = {
    type: 'service_account',
    client_email: 'agent@example',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  const key = configFile(JSON.stringify(account));

  it('need no more than a bucket; what logs in comes from the environment then', () => {
    const found = storage('', GCS);
    assert.ok(found.kind === 'gcs');
    assert.deepEqual([found.bucket, found.endpoint, found.serviceAccountPath], ['b', null, null]);
    const withKey = storage(`  service_account_path: ${key}\n`, GCS);
    assert.ok(withKey.kind === 'gcs' && withKey.serviceAccountPath === key);
  });

  it('are refused where a key file cannot be read, or would not be used', () => {
    checkOne(`${GCS}  service_account_path: /nowhere.json\n`, '8:25', 'storage.service_account_path', 'no such file');
    for (const text of [
      'CANARY',
      '[]',
      JSON.stringify({ ...account, type: 'CANARY' }),
      JSON.stringify({ ...account, private_key: 'CANARY' }),
    ]) {
      const lines = `${GCS}  service_account_path: ${configFile(text)}\n`;
      checkOne(lines, '8:25', 'storage.service_account_path', 'not the key file of a service account');
      assert.doesNotMatch(JSON.stringify(problemsOf(lines)), /CANARY/);
    }
    checkOne(GCS.replace('bucket: b', 'bucket: b/p'), '7:11', 'storage.bucket', 'no bucket has a slash');
    const plain = `${GCS}  endpoint: http://emulator\n  allow_http: true\n`;
    checkOne(`${plain}  service_account_path: ${key}\n`, '10:25', 'storage.service_account_path', 'without TLS');
  });
});

describe('a store named by --path', () => {
  const from = (url: string, env = {}) => storageFromUrl(url, env);

  it('is a directory, written plainly or as file:', () => {
    assert.deepEqual(from('/data/my backups'), { kind: 'filesystem', path: '/data/my backups', directIo: true });
    assert.deepEqual(from('file:///data/my%20backups'), {
      kind: 'filesystem',
      path: '/data/my backups',
      directIo: true,
    });
    assert.deepEqual(from('./C:/x'), { kind: 'filesystem', path: './C:/x', directIo: true });
  });

  it('is a bucket with a prefix and further keys', () => {
    const found = from('s3://b/prod/eu?region=eu-west-1&endpoint=https%3A%2F%2Fminio%3A9000&path_style=false');
    assert.ok(found.kind === 's3');
    const { bucket, prefix, region, endpoint, pathStyle } = found;
    assert.deepEqual(
      [bucket, prefix, region, endpoint, pathStyle],
      ['b', 'prod/eu', 'eu-west-1', 'https://minio:9000', false],
    );
  });

  it('is a container, by the account’s name or its whole host name', () => {
    for (const url of ['azure://acc/ctr/p/q', 'azure://acc.blob.core.windows.net/ctr/p/q']) {
      const found = from(url);
      assert.ok(found.kind === 'azure');
      assert.deepEqual([found.accountName, found.container, found.prefix], ['acc', 'ctr', 'p/q']);
    }
    const sovereign = from('azure://acc.blob.core.usgovcloudapi.net/ctr/p');
    assert.ok(sovereign.kind === 'azure');
    const { accountName, container, endpoint } = sovereign;
    assert.deepEqual([accountName, container, endpoint], ['acc', 'ctr', 'https://acc.blob.core.usgovcloudapi.net']);
    for (const url of ['gs://b/p', 'gcs://b/p']) {
      const found = from(url);
      assert.ok(found.kind === 'gcs');
      assert.deepEqual([found.bucket, found.prefix], ['b', 'p']);
    }
  });

  it('may have its scheme in capitals', () => {
    for (const [url, kind] of [
      ['S3://Bucket/p', 's3'],
      ['Gs://Bucket/p', 'gcs'],
      ['AZURE://acc/ctr', 'azure'],
      ['FILE:/data', 'filesystem'],
    ] as const) {
      assert.equal(from(url).kind, kind, url);
    }
    const found = from('S3://Bucket/p');
    assert.ok(found.kind === 's3' && found.bucket === 'Bucket');
  });

  it('says nothing twice: the query does not replace what stands before it', () => {
    for (const [url, key] of [
      ['s3://b/p?bucket=c', 'bucket'],
      ['s3://b/p?prefix=q', 'prefix'],
      ['s3://b?backend=gcs', 'backend'],
      ['s3://b?region=x&region=y', 'region'],
      ['azure://acc/c?container=d', 'container'],
      ['azure://acc/c?container_name=d', 'container'],
      ['azure://acc.blob.core.usgovcloudapi.net/c?endpoint=https%3A%2F%2Fa', 'endpoint'],
    ] as const) {
      assert.throws(() => from(url), { code: 'USAGE_INVALID', message: new RegExp(`says ${key} twice`) }, url);
    }
    const found = from('s3://b?prefix=q');
    assert.ok(found.kind === 's3' && found.prefix === 'q');
  });

  it('takes secrets from the environment, never from the URL', () => {
    const env = { KAFKA_BACKUP__STORAGE__ACCESS_KEY: 'AK', KAFKA_BACKUP__STORAGE__SECRET_KEY: 'SK' };
    const found = from('s3://b', env);
    assert.ok(found.kind === 's3');
    assert.deepEqual(found.credentials, { accessKey: 'AK', secretKey: 'SK', sessionToken: null });
    assert.throws(
      () => from('s3://b?secret_key=CANARY'),
      (error: Error) => {
        assert.match(error.message, /KAFKA_BACKUP__STORAGE__SECRET_KEY/);
        assert.doesNotMatch(error.message, /CANARY/);
        return true;
      },
    );
  });

  it('is refused for what it says beside the place, which is named', () => {
    const refusals = [
      ['s3://b/%zz', /malformed escape %zz in its path/],
      ['s3://b/x%E0%A4/%20', /malformed escape %E0%A4 in its path/],
      ['gs://b/100%', /malformed escape % in its path/],
      ['file:///%zz', /malformed escape %zz/],
      ['file://server/x', /names a host/],
      ['s3://b:9000/x', /no port \(:9000\).*endpoint/],
      ['azure://u:CANARY@acc/c', /no user and password/],
      ['s3://b/x#CANARY', /nothing behind a #/],
      ['azure://acc/c?sv=1&sig=CANARY', /no shared access signature; set KAFKA_BACKUP__STORAGE__SAS_TOKEN,/],
      ['s3://b:99999/x', /is not a URL/],
    ] as const;
    for (const [url, message] of refusals) {
      assert.throws(
        () => from(url),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'USAGE_INVALID', url);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /CANARY/);
          return true;
        },
      );
    }
  });

  it('is refused by its name', () => {
    assert.throws(() => from('ftp://b'), { code: 'USAGE_INVALID', message: /ftp: is not a store\. Use a directory/ });
    assert.throws(() => from('s3://b?regio=x'), { code: 'CONFIG_INVALID', message: /there is no such key/ });
    assert.throws(() => from('s3://b?account_name=x'), { code: 'CONFIG_INVALID', message: /belongs to azure/ });
    assert.throws(() => from('azure://acc'), { code: 'CONFIG_INVALID', message: /needs container/ });
    const nameless = /^flag --path +storage\.bucket +backend s3 needs bucket\. Name the bucket\./;
    assert.throws(() => from('s3://?region=x'), { code: 'CONFIG_INVALID', message: nameless });
    assert.throws(() => from('s3://b/../c?path_style=maybe'), { code: 'CONFIG_INVALID' });
  });
});

describe('a store named by --from', () => {
  const ours = {
    KAFKA_BACKUP__STORAGE__PREFIX: 'ours',
    KAFKA_BACKUP__STORAGE__ACCESS_KEY: 'OURS',
    KAFKA_BACKUP__STORAGE__SECRET_KEY: 'OURS',
  };

  it('takes what its URL does not say from variables of its own, and nothing from those of our store', () => {
    const theirs = { KAFKA_BACKUP__FROM__ACCESS_KEY: 'AK', KAFKA_BACKUP__FROM__SECRET_KEY_FILE: configFile('SK\n') };
    const found = sourceStorageFromUrl('s3://b', { ...ours, ...theirs });
    assert.ok(found.kind === 's3');
    assert.deepEqual([found.bucket, found.prefix], ['b', '']);
    assert.deepEqual(found.credentials, { accessKey: 'AK', secretKey: 'SK', sessionToken: null });
    const sas = sourceStorageFromUrl('azure://acc/container', { KAFKA_BACKUP__FROM__SAS_TOKEN: 'sv=1&sig=x' });
    assert.ok(sas.kind === 'azure' && sas.sasToken === 'sv=1&sig=x');
    assert.deepEqual(sourceStorageFromUrl('/data', ours), { kind: 'filesystem', path: '/data', directIo: true });
  });

  it('leaves those variables to itself: neither --path nor a configuration reads them', () => {
    const env = { ...ours, KAFKA_BACKUP__FROM__PREFIX: 'theirs', KAFKA_BACKUP__FROM__NONSENSE: 'x' };
    const found = storageFromUrl('s3://b', env);
    assert.ok(found.kind === 's3' && found.prefix === 'ours');
  });

  it('is refused by its own name, with its own variables', () => {
    assert.throws(() => sourceStorageFromUrl('ftp://b', {}), { code: 'USAGE_INVALID', message: /^--from ftp: is not/ });
    assert.throws(() => sourceStorageFromUrl('azure://acc/c?sig=CANARY', {}), {
      code: 'USAGE_INVALID',
      message: /^--from azure: .*; set KAFKA_BACKUP__FROM__SAS_TOKEN, or KAFKA_BACKUP__FROM__SAS_TOKEN_FILE\.$/,
    });
    assert.throws(() => sourceStorageFromUrl('s3://b?secret_key=x', {}), {
      code: 'CONFIG_INVALID',
      message: /flag --from .*Set KAFKA_BACKUP__FROM__SECRET_KEY, or KAFKA_BACKUP__FROM__SECRET_KEY_FILE\./,
    });
    assert.throws(() => sourceStorageFromUrl('s3://b', { KAFKA_BACKUP__FROM__PREFX: 'x' }), {
      code: 'CONFIG_INVALID',
      message: /KAFKA_BACKUP__FROM__PREFX .*belongs to no key.*Did you mean KAFKA_BACKUP__FROM__PREFIX\?/,
    });
  });
});
