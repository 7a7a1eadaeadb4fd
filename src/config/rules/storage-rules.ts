// Conditions between the keys of the store.

import { whyNoAuthorities } from '../input/certificate-file.ts';
import { whyNoKeyFile } from '../input/key-file.ts';
import { leavesOf, SCHEMA } from '../schema/schema.ts';
import { isDecodable } from '../storage/decodable.ts';
import { ACCELERATE_HOST, isOwnEndpoint } from '../storage/storage-config.ts';
import type { Rule, RuleSubject } from './rule.ts';

export const STORAGE_RULES: readonly Rule[] = [
  {
    doc: 'Keys of `storage` must belong to the chosen backend, which needs those that name the store.',
    check: checkBackend,
  },
  { doc: '`storage.bucket` and `storage.container` hold no slash, as no name of one does.', check: checkNames },
  { doc: '`storage.prefix` is made of the same characters as object keys.', check: checkPrefix },
  {
    doc: 'An endpoint carries no user, and without TLS is refused where `allow_http` is false; a proxy leads only to endpoints with TLS; `ssl_ca_location` holds certificates.',
    check: checkTransport,
  },
  {
    doc: 'S3: keys come in pairs (`access_key` and `secret_key`, `object_lock_mode` and `object_lock_days`), and belong to what they name.',
    check: checkS3,
  },
  {
    doc: 'S3: a region is letters, digits and hyphens; the ARN of an access point is not put into the path, nor a bucket with a dot behind Transfer Acceleration.',
    check: checkS3Address,
  },
  {
    doc: 'Azure: an account has 3 to 24 lower-case letters and digits, a container 3 to 63 of them and single hyphens, or is `$root`, `$web` or `$logs`.',
    check: checkAzureNames,
  },
  {
    doc: 'Azure: one way to log in at most; `client_secret` needs `client_id` and `tenant_id`; no identity logs in at an endpoint without TLS.',
    check: checkAzure,
  },
  {
    doc: 'GCS: the key file is one of a service account, and no credentials go to an endpoint without TLS.',
    check: checkGcs,
  },
];

const LEAVES = leavesOf(SCHEMA);
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  filesystem: ['path'],
  s3: ['bucket'],
  azure: ['account_name', 'container'],
  gcs: ['bucket'],
};
const NOUNS: Readonly<Record<string, string>> = { path: 'directory', account_name: 'storage account' };
const PREFIX = /^\/*[A-Za-z0-9_=-][A-Za-z0-9._=-]*(\/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*\/*$/;
const LONGEST_PREFIX = 500;
const MOST_TAGS = 10;
/** A label of a host name, which it becomes. */
const REGION = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const ACCOUNT = /^[a-z0-9]{3,24}$/;
const CONTAINER = /^(?:\$root|\$web|\$logs|(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*)$/;

function checkBackend(subject: RuleSubject): void {
  const { backend } = subject.values.storage;
  if (backend === null) return;
  for (const [path, leaf] of LEAVES) {
    if (!path.startsWith('storage.') || leaf.backends === undefined || !subject.has(path)) continue;
    if (leaf.backends.includes(backend)) continue;
    subject.problem(path, `backend ${backend} has no such key.`, {
      suggestion: `It belongs to ${leaf.backends.join(' and ')}. Remove it.`,
      involves: ['storage.backend'],
    });
  }
  for (const key of NEEDED[backend] ?? []) {
    if (!subject.has(`storage.${key}`))
      subject.problem(`storage.${key}`, `backend ${backend} needs ${key}.`, {
        suggestion: `Name the ${NOUNS[key] ?? key}.`,
      });
  }
  if (backend === 'memory')
    subject.note('warning', 'storage.backend', 'the memory store forgets the backup when the process ends.');
}

/** The ARN of an access point, which S3 takes for a bucket, may hold slashes. */
function checkNames(subject: RuleSubject): void {
  for (const key of ['bucket', 'container'] as const) {
    const name = subject.values.storage[key];
    if (name === null || !name.includes('/') || name.startsWith('arn:')) continue;
    subject.problem(`storage.${key}`, `no ${key} has a slash in its name.`, {
      suggestion: `What is behind the ${key} belongs into prefix.`,
    });
  }
}

function checkPrefix(subject: RuleSubject): void {
  const { prefix } = subject.values.storage;
  if (prefix === null || (PREFIX.test(prefix) && prefix.length <= LONGEST_PREFIX)) return;
  subject.problem('storage.prefix', 'this cannot begin an object key.', {
    suggestion: 'Use letters, digits, "_", "-", "=", "." (not first) and "/" between elements.',
  });
}

function checkTransport(subject: RuleSubject): void {
  const { endpoint, allow_http: allowHttp, proxy, ssl_ca_location: caPath } = subject.values.storage;
  const { username = '', password = '' } = endpoint === null ? {} : new URL(endpoint);
  if (username !== '' || password !== '')
    subject.problem('storage.endpoint', 'an endpoint takes no user and password.', {
      suggestion: 'Credentials have keys of their own.',
    });
  const isPlain = endpoint?.startsWith('http:') === true;
  if (isPlain && allowHttp === false) {
    subject.problem('storage.endpoint', 'this endpoint has no TLS.', {
      suggestion: 'Use https, or set allow_http: true.',
      involves: ['storage.allow_http'],
    });
  }
  if (isPlain && allowHttp === null)
    subject.note('warning', 'storage.endpoint', 'without TLS, everything that is backed up can be read on the way.');
  if (isPlain && proxy !== null) {
    subject.problem('storage.proxy', 'the proxy leads only to endpoints with TLS.', {
      involves: ['storage.endpoint'],
    });
  }
  if (proxy?.startsWith('https:') === true)
    subject.problem('storage.proxy', 'the proxy itself is spoken to without TLS.', { suggestion: 'Write http://.' });
  const { username: user = '', password: word = '' } = proxy === null ? {} : new URL(proxy);
  if (!isDecodable(user) || !isDecodable(word)) {
    subject.problem('storage.proxy', 'the user or password has a "%" that begins no escape.', {
      suggestion: 'Write %25 for the character itself.',
    });
  }
  const fault = caPath === null ? null : whyNoAuthorities(caPath);
  if (fault !== null) subject.problem('storage.ssl_ca_location', fault);
}

function checkS3(subject: RuleSubject): void {
  const { storage } = subject.values;
  if (storage.backend !== 's3') return;
  pair(subject, 'access_key', 'secret_key');
  pair(subject, 'object_lock_mode', 'object_lock_days');
  if (storage.session_token !== null && storage.access_key === null)
    subject.problem('storage.session_token', 'a session token belongs to temporary keys.', {
      suggestion: 'Add access_key and secret_key.',
    });
  if (storage.kms_key_id !== null && storage.server_side_encryption?.startsWith('aws:kms') !== true)
    subject.problem('storage.kms_key_id', 'no KMS encryption is chosen.', {
      suggestion: 'Set server_side_encryption: "aws:kms".',
      involves: ['storage.server_side_encryption'],
    });
  if (storage.tags.size > MOST_TAGS) subject.problem('storage.tags', `an object has at most ${MOST_TAGS} tags.`);
  const { endpoint, path_style: pathStyle } = storage;
  if (endpoint !== null && pathStyle === true && ACCELERATE_HOST.test(new URL(endpoint).hostname))
    subject.problem('storage.path_style', 'Transfer Acceleration needs the bucket in the host name.', {
      suggestion: 'Remove path_style.',
      involves: ['storage.endpoint'],
    });
}

/** What the SDK refuses to address, whatever there is at the other end. */
function checkS3Address(subject: RuleSubject): void {
  const { backend, bucket, region, endpoint, path_style: pathStyle } = subject.values.storage;
  if (backend !== 's3') return;
  if (region !== null && !REGION.test(region))
    subject.problem('storage.region', 'this is not a region.', { suggestion: 'Use one such as "eu-central-1".' });
  const involves = ['storage.endpoint', 'storage.path_style'];
  if (bucket?.startsWith('arn:') === true && (pathStyle ?? isOwnEndpoint(endpoint)))
    subject.problem('storage.bucket', 'an ARN cannot be put into the path, as it is at this endpoint.', {
      suggestion: 'Set path_style: false.',
      involves,
    });
  if (bucket?.includes('.') === true && endpoint !== null && !isOwnEndpoint(endpoint))
    subject.problem('storage.bucket', 'Transfer Acceleration takes no bucket with a dot in its name.', {
      suggestion: 'Remove endpoint, or use another bucket.',
      involves,
    });
}

/** Both become part of an address (learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules). */
function checkAzureNames(subject: RuleSubject): void {
  const { backend, account_name: account, container } = subject.values.storage;
  if (backend !== 'azure') return;
  if (account !== null && !ACCOUNT.test(account))
    subject.problem('storage.account_name', 'no storage account has this name.', {
      suggestion: 'Use 3 to 24 lower-case letters and digits.',
    });
  if (container !== null && !CONTAINER.test(container))
    subject.problem('storage.container', 'no container has this name.', {
      suggestion: 'Use 3 to 63 lower-case letters, digits and single hyphens, beginning and ending with none.',
    });
}

function checkAzure(subject: RuleSubject): void {
  const { storage } = subject.values;
  if (storage.backend !== 'azure') return;
  const ways = [
    ...(storage.account_key === null ? [] : ['account_key']),
    ...(storage.sas_token === null ? [] : ['sas_token']),
    ...(storage.client_secret === null ? [] : ['client_secret']),
    ...(storage.use_workload_identity ? ['use_workload_identity'] : []),
  ];
  const [first, second] = ways;
  if (first !== undefined && second !== undefined)
    subject.problem(`storage.${second}`, `${first} and ${second} are two ways to log in.`, {
      suggestion: 'Keep one of them.',
      involves: [`storage.${first}`],
    });
  if (storage.endpoint?.startsWith('http:') === true && storage.account_key === null && storage.sas_token === null)
    subject.problem(`storage.${first ?? 'endpoint'}`, 'no identity logs in at an endpoint without TLS.', {
      suggestion: 'Use https, or log in with account_key or sas_token.',
      involves: ['storage.endpoint', 'storage.account_key', 'storage.sas_token'],
    });
  for (const needed of ['client_id', 'tenant_id'] as const) {
    if (storage.client_secret !== null && storage[needed] === null)
      subject.problem('storage.client_secret', `client_secret needs ${needed}.`, { involves: [`storage.${needed}`] });
  }
}

function checkGcs(subject: RuleSubject): void {
  const { backend, endpoint, service_account_path: keyPath } = subject.values.storage;
  if (backend !== 'gcs' || keyPath === null) return;
  const fault = whyNoKeyFile(keyPath);
  if (fault !== null) subject.problem('storage.service_account_path', fault);
  if (endpoint?.startsWith('http:') === true)
    subject.problem('storage.service_account_path', 'no credentials are sent to an endpoint without TLS.', {
      suggestion: 'Use https, or remove service_account_path.',
      involves: ['storage.endpoint'],
    });
}

function pair(subject: RuleSubject, one: 'access_key' | 'object_lock_mode', other: 'secret_key' | 'object_lock_days') {
  const { storage } = subject.values;
  if ((storage[one] === null) === (storage[other] === null)) return;
  const [there, missing] = storage[one] === null ? [other, one] : [one, other];
  subject.problem(`storage.${there}`, `${there} needs ${missing}.`, { involves: [`storage.${missing}`] });
}
