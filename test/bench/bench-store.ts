// Where backups are written during measurements: directories, or an S3 server on the same machine. Each run gets an empty place
// of its own, and what it left there is counted and deleted. The server is a process of its own: its CPU counts for nobody.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DeleteObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import {
  s3Client,
  startVersitygw,
  VERSITYGW_KEYS,
  VERSITYGW_REGION,
  type Versitygw,
} from '../support/stores/versitygw.ts';
import { DelayProxy } from './delay-proxy.ts';
import { sizeOfDirectory } from './measure.ts';

const BUCKET = 'bench';

export const STORE_KINDS = ['filesystem', 's3'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

/** Where one backup lies. */
export interface StorePlace {
  /** The section `storage` of a configuration, in keys that ours and the peer share. */
  readonly storage: Readonly<Record<string, unknown>>;
  /** Of all objects in it. */
  sizeBytes(): Promise<number>;
  clear(): Promise<void>;
}

export interface BenchStore {
  readonly kind: StoreKind;
  /** For the reader of the figures. */
  readonly description: string;
  /** @param directory of the run: empty, and removed after it */
  place(directory: string): StorePlace;
  stop(): Promise<void>;
}

export const FILESYSTEM: BenchStore = {
  kind: 'filesystem',
  description: 'directories on the disk of the broker',
  place(directory) {
    const path = join(directory, 'store');
    return {
      storage: { backend: 'filesystem', path },
      sizeBytes: () => sizeOfDirectory(path),
      clear: () => rm(path, { recursive: true, force: true }),
    };
  },
  stop: () => Promise.resolve(),
};

export class S3BenchStore implements BenchStore {
  readonly kind = 's3';
  readonly description = 'versitygw over a directory on the disk of the broker; its CPU is not counted';
  readonly #server: Versitygw;
  readonly #client: S3Client;
  readonly #proxies: DelayProxy[] = [];
  #places = 0;

  private constructor(server: Versitygw) {
    this.#server = server;
    this.#client = s3Client(server.endpoint);
  }

  static async start(): Promise<S3BenchStore> {
    const server = await startVersitygw();
    try {
      await server.createBucket(BUCKET);
      return new S3BenchStore(server);
    } catch (error) {
      await server.server.stop();
      throw error;
    }
  }

  place(): StorePlace {
    return this.#placeAt(this.#server.endpoint);
  }

  /**
   * The same server behind a proxy, until this store is stopped.
   * @param delayMs added to each byte, there and back: a request takes twice as much longer
   */
  async behind(delayMs: number): Promise<BenchStore> {
    const proxy = await DelayProxy.start(this.#server.server.port, delayMs);
    this.#proxies.push(proxy);
    return {
      kind: this.kind,
      description: `${this.description}; each byte ${delayMs} ms late`,
      place: () => this.#placeAt(`http://${proxy.address}`),
      stop: () => Promise.resolve(),
    };
  }

  async stop(): Promise<void> {
    this.#client.destroy();
    await Promise.all(this.#proxies.map((proxy) => proxy.stop()));
    await this.#server.server.stop();
  }

  #placeAt(endpoint: string): StorePlace {
    this.#places += 1;
    const prefix = `run-${this.#places}`;
    return {
      storage: {
        backend: 's3',
        bucket: BUCKET,
        prefix,
        endpoint,
        region: VERSITYGW_REGION,
        path_style: true,
        allow_http: true,
        access_key: VERSITYGW_KEYS.accessKey,
        secret_key: VERSITYGW_KEYS.secretKey,
      },
      sizeBytes: async () => (await this.#list(prefix)).reduce((total, { sizeBytes }) => total + sizeBytes, 0),
      clear: async () => {
        const objects = await this.#list(prefix);
        await Promise.all(
          objects.map(({ key }) => this.#client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }))),
        );
      },
    };
  }

  async #list(prefix: string): Promise<{ readonly key: string; readonly sizeBytes: number }[]> {
    const objects: { key: string; sizeBytes: number }[] = [];
    for (let token: string | undefined, isLast = false; !isLast; isLast = token === undefined) {
      const page = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: BUCKET,
          Prefix: `${prefix}/`,
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      );
      for (const { Key = '', Size = 0 } of page.Contents ?? []) objects.push({ key: Key, sizeBytes: Size });
      token = page.NextContinuationToken;
    }
    return objects;
  }
}
