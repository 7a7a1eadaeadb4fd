// Where the objects of a backup are kept. Keys are the peer's where it has them; each says which backends it belongs to, and is
// refused for the others.

import { accountKey, bytes, choice, count, durationMs, flag, httpUrl, path, text, textMap } from './leaf.ts';

const S3 = ['s3'];
const AZURE = ['azure'];
const GCS = ['gcs'];
const CLOUD = ['s3', 'azure', 'gcs'];

export function storageSection() {
  return {
    backend: choice(['filesystem', 'memory', 's3', 'azure', 'gcs'], {
      doc: 'The kind of store. `memory` is for trials: it forgets everything at exit.',
      default: null,
      required: true,
    }),
    path: path({ doc: 'Directory that holds the backups.', default: null, backends: ['filesystem'] }),
    direct_io: flag({
      doc: 'Write objects around the page cache, which stays with the consumers of a broker on the same host. Where the filesystem cannot, they go through it. `false` for a file server that is slow at it.',
      default: true,
      backends: ['filesystem'],
    }),
    bucket: text({ doc: 'Bucket.', default: null, backends: ['s3', 'gcs'] }),
    prefix: text({ doc: 'Put in front of every object key.', default: null, backends: CLOUD }),
    endpoint: httpUrl({
      doc: 'Address of the store where it is not the provider’s own: MinIO, Ceph, R2; `https://s3-accelerate.amazonaws.com` for S3 Transfer Acceleration; an emulator of Azure or GCS. Of GCS, one without TLS is sent no credentials.',
      default: null,
      backends: CLOUD,
    }),
    allow_http: flag({
      doc: 'Accept an endpoint without TLS: `false` refuses one, left out it is only warned of.',
      default: null,
      backends: CLOUD,
    }),
    ...s3Keys(),
    ...azureKeys(),
    service_account_path: path({
      doc: 'Key file of a service account. Left out: the application default credentials.',
      default: null,
      backends: GCS,
    }),
    ...requestKeys(),
  };
}

function s3Keys() {
  return {
    region: text({
      doc: 'Region of the bucket; `auto` for R2. Left out: what the environment or the profile says, `us-east-1` for an endpoint of your own.',
      default: null,
      backends: S3,
    }),
    path_style: flag({
      doc: 'Put the bucket into the path instead of the host name.',
      default: null,
      defaultText: '`true` with an endpoint of your own, else `false`',
      backends: S3,
    }),
    access_key: text({
      doc: 'Access key id. Left out with `secret_key`: environment, profile, web identity (IRSA), container and instance role, in this order.',
      default: null,
      sensitive: true,
      backends: S3,
    }),
    access_key_file: path({ doc: 'File that holds the access key id.', default: null, backends: S3 }),
    secret_key: text({ doc: 'Secret access key.', default: null, sensitive: true, backends: S3 }),
    secret_key_file: path({ doc: 'File that holds the secret access key.', default: null, backends: S3 }),
    session_token: text({
      doc: 'Session token of temporary keys. They end with it, also where they are in files, which are read once: for a long run leave the keys to the environment, where they are renewed.',
      default: null,
      sensitive: true,
      backends: S3,
    }),
    session_token_file: path({ doc: 'File that holds the session token.', default: null, backends: S3 }),
    checksum: choice(['when_supported', 'when_required'], {
      doc: 'CRC-32 of every part and object, checked by the store. `when_required` for stores that know no `x-amz-checksum` headers.',
      default: 'when_supported',
      backends: S3,
    }),
    server_side_encryption: choice(['AES256', 'aws:kms', 'aws:kms:dsse'], {
      doc: 'Encryption by the store: SSE-S3 or SSE-KMS. Left out: what the bucket says.',
      default: null,
      backends: S3,
    }),
    kms_key_id: text({
      doc: 'Key for SSE-KMS. Left out: the default key of the account.',
      default: null,
      backends: S3,
    }),
    storage_class: choice(
      ['STANDARD', 'STANDARD_IA', 'ONEZONE_IA', 'INTELLIGENT_TIERING', 'GLACIER_IR', 'REDUCED_REDUNDANCY'],
      {
        doc: 'Storage class of new objects.',
        default: null,
        refused: { GLACIER: ARCHIVED, DEEP_ARCHIVE: ARCHIVED },
        backends: S3,
      },
    ),
    tags: textMap({ doc: 'Tags of new objects, at most 10.', default: new Map(), backends: S3 }),
    object_lock_mode: choice(['GOVERNANCE', 'COMPLIANCE'], {
      doc: 'Retention mode of new objects, in a bucket with object lock. Needs `object_lock_days`.',
      default: null,
      backends: S3,
    }),
    object_lock_days: count({
      doc: 'Days from its creation for which no version of an object can be deleted.',
      default: null,
      min: 1,
      max: 36_500,
      backends: S3,
    }),
  };
}

const ARCHIVED =
  'objects of this class cannot be read at once, and a backup reads its own catalog. Use GLACIER_IR, or move `data/` by a lifecycle rule.';

function azureKeys() {
  return {
    account_name: text({ doc: 'Storage account.', default: null, backends: AZURE }),
    container: text({
      doc: 'Container of the storage account. `container_name` is the same key.',
      default: null,
      alias: 'container_name',
      backends: AZURE,
    }),
    account_key: accountKey({
      doc: 'Key of the storage account. Without key, signature, `client_secret` and `use_workload_identity`: environment, workload identity, managed identity, Azure CLI, in this order.',
      default: null,
      sensitive: true,
      backends: AZURE,
    }),
    account_key_file: path({
      doc: 'File that holds the key of the storage account.',
      default: null,
      backends: AZURE,
    }),
    use_workload_identity: flag({ doc: 'Log in with the workload identity.', default: false, backends: AZURE }),
    client_id: text({
      doc: 'Application id of a service principal or of the workload identity; or of a managed identity, where the host has several.',
      default: null,
      backends: AZURE,
    }),
    tenant_id: text({ doc: 'Tenant of the identity that logs in.', default: null, backends: AZURE }),
    client_secret: text({ doc: 'Secret of a service principal.', default: null, sensitive: true, backends: AZURE }),
    client_secret_file: path({
      doc: 'File that holds the secret of the service principal.',
      default: null,
      backends: AZURE,
    }),
    sas_token: text({ doc: 'Shared access signature.', default: null, sensitive: true, backends: AZURE }),
    sas_token_file: path({
      doc: 'File that holds the shared access signature. It is read once, at the start: for a long run, one that outlasts it, or an identity.',
      default: null,
      backends: AZURE,
    }),
  };
}

function requestKeys() {
  return {
    part_size_bytes: bytes({
      doc: 'Objects up to this size go up in one request, larger ones in parts of this size. Each object that is being written holds up to one part in memory.',
      unit: 'bytes',
      default: 8 * 1024 * 1024,
      min: 5 * 1024 * 1024,
      max: 1024 * 1024 * 1024,
      backends: CLOUD,
    }),
    max_parts_in_flight: count({
      doc: 'Parts on their way to the store at once, over all objects; each holds its part in memory.',
      default: 4,
      min: 1,
      max: 1000,
      backends: CLOUD,
    }),
    max_concurrent_requests: count({
      doc: 'Requests to the store at once. It falls to half of those under way when the store asks for fewer, and grows again.',
      default: 32,
      min: 1,
      max: 1000,
      backends: CLOUD,
    }),
    request_timeout_ms: durationMs({
      doc: 'Longest time for one request, its body included. The one that makes a large object appear has three times as long, and a second more for every 32 MiB, since the store may have to join the parts. Uploads that time out go up one at a time after that, and beside each other again where their pace shows that they come through.',
      unit: 'ms',
      default: 60_000,
      min: 100,
      max: 3_600_000,
      backends: CLOUD,
    }),
    retry_timeout_ms: durationMs({
      doc: 'How long one request is tried again before its failure is told; longer by as much where the request is given more time. A continuous backup goes on trying after that.',
      unit: 'ms',
      default: 120_000,
      min: 0,
      max: 3_600_000,
      backends: CLOUD,
    }),
    proxy: httpUrl({
      doc: 'HTTP proxy through which an endpoint with TLS is reached, as `http://host:port`. Where it is left out, Azure and GCS heed `HTTPS_PROXY` and `NO_PROXY` of the environment; S3 does not.',
      default: null,
      backends: CLOUD,
    }),
    ssl_ca_location: path({
      doc: 'PEM file with the certificate authorities to trust for the store, instead of those that Node trusts.',
      default: null,
      backends: CLOUD,
    }),
  };
}
