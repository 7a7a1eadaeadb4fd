// The store as the rest of the agent sees it, and how it comes from the checked keys. What a default stands for is settled here.

import type { SchemaValues } from '../schema/schema.ts';

export type StorageConfig =
  | { readonly kind: 'filesystem'; readonly path: string; readonly directIo: boolean }
  | { readonly kind: 'memory' }
  | S3Storage
  | AzureStorage
  | GcsStorage;

/** What is common to the stores that are reached over HTTP. */
export interface RequestSettings {
  readonly partSizeBytes: number;
  readonly maxPartsInFlight: number;
  readonly maxConcurrentRequests: number;
  /** Of one request, its body included. */
  readonly requestTimeoutMs: number;
  /** Longest time for which one request is tried again. */
  readonly retryTimeoutMs: number;
  /** `http://host:port`, with user and password where it needs them. */
  readonly proxy: string | null;
  /** PEM file, readable when the configuration was loaded. */
  readonly caPath: string | null;
}

/** What of an object that is being put stays in memory until it can be sent; 0 where it is written as it comes. */
export function partSizeOf(storage: StorageConfig): number {
  return 'requests' in storage ? storage.requests.partSizeBytes : 0;
}

export interface S3Storage {
  readonly kind: 's3';
  readonly bucket: string;
  /** Elements and slashes, without one at either end; empty for none. */
  readonly prefix: string;
  /** Null: what the SDK finds in the environment. */
  readonly region: string | null;
  readonly endpoint: string | null;
  readonly pathStyle: boolean;
  /** Null: the default credential chain. */
  readonly credentials: S3Credentials | null;
  readonly checksum: 'when_supported' | 'when_required';
  readonly serverSideEncryption: 'AES256' | 'aws:kms' | 'aws:kms:dsse' | null;
  readonly kmsKeyId: string | null;
  readonly storageClass: SchemaValues['storage']['storage_class'];
  readonly tags: ReadonlyMap<string, string>;
  readonly objectLock: { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly days: number } | null;
  readonly requests: RequestSettings;
}

export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken: string | null;
}

export interface AzureStorage {
  readonly kind: 'azure';
  readonly accountName: string;
  readonly container: string;
  readonly prefix: string;
  readonly endpoint: string | null;
  /** One way to log in at most; none: what the environment and the host offer. */
  readonly accountKey: string | null;
  readonly sasToken: string | null;
  readonly useWorkloadIdentity: boolean;
  readonly clientId: string | null;
  readonly tenantId: string | null;
  readonly clientSecret: string | null;
  readonly requests: RequestSettings;
}

export interface GcsStorage {
  readonly kind: 'gcs';
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string | null;
  /** Null: the application default credentials. */
  readonly serviceAccountPath: string | null;
  readonly requests: RequestSettings;
}

type StorageValues = SchemaValues['storage'];

/** Hosts of S3 Transfer Acceleration, which are AWS's own although they are written as an endpoint. */
export const ACCELERATE_HOST = /^s3-accelerate(\.dualstack)?\.amazonaws\.com$/;

/** Of a store other than AWS's own. */
export function isOwnEndpoint(endpoint: string | null): boolean {
  return endpoint !== null && !ACCELERATE_HOST.test(new URL(endpoint).hostname);
}

/** Expects values that passed every rule. */
export function storageConfig(storage: StorageValues): StorageConfig {
  switch (storage.backend) {
    case 'filesystem':
      return { kind: 'filesystem', path: given(storage.path, 'path'), directIo: storage.direct_io };
    case 'memory':
      return { kind: 'memory' };
    case 's3':
      return s3Storage(storage);
    case 'azure':
      return azureStorage(storage);
    case 'gcs':
      return {
        kind: 'gcs',
        bucket: given(storage.bucket, 'bucket'),
        prefix: prefixOf(storage),
        endpoint: storage.endpoint,
        serviceAccountPath: storage.service_account_path,
        requests: requestSettings(storage),
      };
    case null:
      throw new Error('invariant broken: no backend passed the rules');
  }
}

function s3Storage(storage: StorageValues): S3Storage {
  const { access_key: accessKey, secret_key: secretKey, session_token: sessionToken } = storage;
  const { endpoint, object_lock_mode: mode, object_lock_days: days } = storage;
  const isOwn = isOwnEndpoint(endpoint);
  return {
    kind: 's3',
    bucket: given(storage.bucket, 'bucket'),
    prefix: prefixOf(storage),
    region: storage.region ?? (isOwn ? 'us-east-1' : null),
    endpoint,
    pathStyle: storage.path_style ?? isOwn,
    credentials: accessKey === null || secretKey === null ? null : { accessKey, secretKey, sessionToken },
    checksum: storage.checksum,
    serverSideEncryption: storage.server_side_encryption,
    kmsKeyId: storage.kms_key_id,
    storageClass: storage.storage_class,
    tags: storage.tags,
    objectLock: mode === null || days === null ? null : { mode, days },
    requests: requestSettings(storage),
  };
}

function azureStorage(storage: StorageValues): AzureStorage {
  return {
    kind: 'azure',
    accountName: given(storage.account_name, 'account_name'),
    container: given(storage.container, 'container'),
    prefix: prefixOf(storage),
    endpoint: storage.endpoint,
    accountKey: storage.account_key,
    sasToken: storage.sas_token,
    useWorkloadIdentity: storage.use_workload_identity,
    clientId: storage.client_id,
    tenantId: storage.tenant_id,
    clientSecret: storage.client_secret,
    requests: requestSettings(storage),
  };
}

function requestSettings(storage: StorageValues): RequestSettings {
  return {
    partSizeBytes: storage.part_size_bytes,
    maxPartsInFlight: storage.max_parts_in_flight,
    maxConcurrentRequests: storage.max_concurrent_requests,
    requestTimeoutMs: storage.request_timeout_ms,
    retryTimeoutMs: storage.retry_timeout_ms,
    proxy: storage.proxy,
    caPath: storage.ssl_ca_location,
  };
}

function prefixOf(storage: StorageValues): string {
  return (storage.prefix ?? '').replace(/^\/+|\/+$/g, '');
}

function given(value: string | null, key: string): string {
  if (value === null) throw new Error(`invariant broken: storage.${key} is missing after the rules`);
  return value;
}
