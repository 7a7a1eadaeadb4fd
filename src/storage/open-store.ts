// Opens the store that is configured. What a cloud store needs is loaded only when it is the one.

import { resolve } from 'node:path';
import type { AzureSettings } from './azure/azure-client.ts';
import { FilesystemObjectStore } from './filesystem/filesystem-object-store.ts';
import type { GcsSettings } from './gcs/gcs-client.ts';
import { MemoryObjectStore } from './memory-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import type { PutInParts } from './probed-object-store.ts';
import type { RequestPolicy, RequestPolicyOptions } from './request/request-policy.ts';
import type { S3Settings } from './s3/s3-client.ts';

export type StoreSettings =
  | { readonly kind: 'filesystem'; readonly path: string; readonly directIo: boolean }
  | { readonly kind: 'memory' }
  | ({ readonly kind: 's3' } & S3Settings)
  | ({ readonly kind: 'azure' } & AzureSettings)
  | ({ readonly kind: 'gcs' } & GcsSettings);

/** Who is told of the requests of a cloud store. */
export type RequestReports = Pick<RequestPolicyOptions, 'observe' | 'logger'>;

export interface OpenedStore {
  readonly store: ObjectStore;
  /** Null where the store makes no requests over a network. */
  readonly policy: RequestPolicy | null;
  /** Null where the store knows no parts. */
  readonly putInParts: PutInParts | null;
}

/** Makes no request yet. @throws CONFIG_INVALID for what the library of a store refuses */
export async function openStore(settings: StoreSettings, reports: RequestReports = {}): Promise<OpenedStore> {
  switch (settings.kind) {
    case 'filesystem':
      return {
        store: new FilesystemObjectStore(resolve(settings.path), { directIo: settings.directIo }),
        policy: null,
        putInParts: null,
      };
    case 'memory':
      return { store: new MemoryObjectStore(), policy: null, putInParts: null };
    case 's3': {
      const { S3ObjectStore } = await import('./s3/s3-object-store.ts');
      const store = new S3ObjectStore(settings, reports);
      return { store, policy: store.policy, putInParts: (...put) => store.putInParts(...put) };
    }
    case 'azure': {
      const { AzureObjectStore } = await import('./azure/azure-object-store.ts');
      const store = new AzureObjectStore(settings, reports);
      return { store, policy: store.policy, putInParts: (...put) => store.putInParts(...put) };
    }
    case 'gcs': {
      const { GcsObjectStore } = await import('./gcs/gcs-object-store.ts');
      const store = new GcsObjectStore(settings, reports);
      return { store, policy: store.policy, putInParts: (...put) => store.putInParts(...put) };
    }
  }
}
