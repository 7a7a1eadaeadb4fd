// Large objects into every cloud store over a narrow link, which all connections share: real servers behind a proxy that is the link.
// It carries two parts beside each other in the time of a request, and not four.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AzureObjectStore } from '../../../src/storage/azure/azure-object-store.ts';
import { GcsObjectStore } from '../../../src/storage/gcs/gcs-object-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import type { RequestOutcome } from '../../../src/storage/request/request-policy.ts';
import type { RequestSurroundings } from '../../../src/storage/request/store-requests.ts';
import { S3ObjectStore } from '../../../src/storage/s3/s3-object-store.ts';
import { AZURITE_ACCOUNT, startAzurite } from '../../support/stores/azurite.ts';
import { startFakeGcs } from '../../support/stores/fake-gcs.ts';
import { QUICK_REQUESTS, type StoreServer } from '../../support/stores/store-server.ts';
import { TcpProxy } from '../../support/stores/tcp-proxy.ts';
import { startVersitygw } from '../../support/stores/versitygw.ts';

const PART_BYTES = 5 * 1024 * 1024;
const TIMEOUT_MS = 3000;
/** Of the time-out, for a part that has the link for itself. */
const PART_SHARE = 0.4;
const OBJECTS = 4;
/** fake-gcs-server ends an upload when it is asked how much it has, as after a time-out: into it, objects go up in one request. */
const PARTS_OF_OBJECT: Readonly<Record<string, number>> = { S3: 2, 'Azure Blob': 2, 'Google Cloud Storage': 1 };
const BUCKET = 'narrow';

const requests = {
  ...QUICK_REQUESTS,
  partSizeBytes: PART_BYTES,
  maxPartsInFlight: 4,
  requestTimeoutMs: TIMEOUT_MS,
  retryTimeoutMs: 2 * TIMEOUT_MS,
};

interface Opened {
  readonly server: StoreServer;
  readonly store: ObjectStore;
}

/** Each opens its store through the link at `address`. */
const STORES: Readonly<Record<string, (address: string, surroundings: RequestSurroundings) => Promise<Opened>>> = {
  S3: async (address, surroundings) => {
    const { server, createBucket, settings } = await startVersitygw();
    await createBucket(BUCKET);
    const there = settings({ bucket: BUCKET, endpoint: `http://${address}`, requests });
    return { server, store: new S3ObjectStore(there, surroundings) };
  },
  'Azure Blob': async (address, surroundings) => {
    const { server, createContainer, settings } = await startAzurite();
    await createContainer(BUCKET);
    const there = settings({ container: BUCKET, endpoint: `http://${address}/${AZURITE_ACCOUNT.name}`, requests });
    return { server, store: new AzureObjectStore(there, surroundings) };
  },
  'Google Cloud Storage': async (address, surroundings) => {
    const { server, createBucket, settings } = await startFakeGcs(address);
    await createBucket(BUCKET);
    const there = settings({ bucket: BUCKET, endpoint: `http://${address}`, requests });
    return { server, store: new GcsObjectStore(there, surroundings) };
  },
};

describe('a narrow link', () => {
  for (const [name, open] of Object.entries(STORES)) {
    it(`carries large objects into ${name}, after one burst of time-outs`, async () => {
      const link = await TcpProxy.start();
      const outcomes: RequestOutcome[] = [];
      let opened: Opened | undefined;
      try {
        opened = await open(link.address, { observe: ({ outcome }) => outcomes.push(outcome) });
        const { server, store } = opened;
        link.targetPort = server.port;
        link.trouble = { kind: 'narrow', bytesPerSecond: (PART_BYTES / (PART_SHARE * TIMEOUT_MS)) * 1000 };
        const body = Array.from({ length: PARTS_OF_OBJECT[name]! }, (_, part) => Buffer.alloc(PART_BYTES, part + 1));
        const puts = Array.from({ length: OBJECTS }, (_, object) => store.putIfAbsent(`large/${object}`, body));
        assert.deepEqual(new Set(await Promise.all(puts)), new Set(['created']));
        assert.ok(link.met > 0);
        const timedOut = outcomes.filter((outcome) => outcome === 'timed-out').length;
        // The four beside each other, and one or two that met what those had left in the buffers of the link.
        const most = requests.maxPartsInFlight + 2;
        assert.ok(timedOut > 1 && timedOut <= most, `${timedOut} time-outs`);
        link.trouble = undefined;
        assert.ok(Buffer.concat(body).equals((await store.get('large/1'))!));
      } finally {
        await opened?.store.close();
        await link.stop();
        await opened?.server.stop();
      }
    });
  }
});
