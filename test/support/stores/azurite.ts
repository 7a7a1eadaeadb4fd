// Azurite, Microsoft's own emulator of Azure Blob, for tests. It comes from npm into the cache and not into package.json: with
// its 380 packages it would be most of what this project installs.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  BlobServiceClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import type { AzureSettings } from '../../../src/storage/azure/azure-client.ts';
import type { Certificate } from '../certificates.ts';
import { cached } from '../cache.ts';
import { QUICK_REQUESTS, StoreServer } from './store-server.ts';

const run = promisify(execFile);
const VERSION = '3.37.0';
const INSTALL_TIMEOUT_MS = 5 * 60_000;

/** Where it appends what is uploaded to its files, and what of that is mended. */
const APPENDING = ['dist', 'src', 'common', 'persistence', 'FSExtentStore.js'];
const CLOSES_TOO_EARLY = 'appendExtent.fd = undefined;\n                        await closeAsync(fd);';
const CLOSES_IN_TIME =
  "appendExtent.fd = undefined; await new Promise((r) => { ws.once('close', r).once('error', () => {}).destroy(); });";

/** The account that every Azurite knows; its key is no secret. */
export const AZURITE_ACCOUNT = {
  name: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
};

/** Of the client that prepares a server, which need not know who signed for it. */
const TRUSTING: StoragePipelineOptions & { readonly tlsOptions: object } = {
  tlsOptions: { rejectUnauthorized: false },
};

export interface Azurite {
  /** `http://127.0.0.1:PORT/devstoreaccount1`. */
  readonly endpoint: string;
  readonly server: StoreServer;
  createContainer(name: string): Promise<void>;
  /** Of the account that every Azurite knows, with parts small enough for quick tests. */
  settings(of: { readonly container: string } & Partial<AzureSettings>): AzureSettings;
}

/**
 * Starts an empty one. Its containers are what the test creates.
 * @param certificate of a server that speaks TLS and takes tokens of Microsoft's login, whoever signed them, beside keys
 */
export async function startAzurite(certificate?: Certificate): Promise<Azurite> {
  const main = join(await ensureAzurite(), 'node_modules', 'azurite', 'dist', 'src', 'blob', 'main.js');
  const server = await StoreServer.start({
    name: 'azurite',
    program: process.execPath,
    isTls: certificate !== undefined,
    args: (port, directory) => [
      ...[main, '--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', directory],
      // The SDK speaks a newer version of the protocol than Azurite knows of; what is used of it is the same.
      ...['--skipApiVersionCheck', '--disableTelemetry', '--silent'],
      ...(certificate === undefined
        ? []
        : ['--oauth', 'basic', '--cert', certificate.certificate, '--key', certificate.key]),
    ],
  });
  const endpoint = `${certificate === undefined ? 'http' : 'https'}://${server.address}/${AZURITE_ACCOUNT.name}`;
  const credential = new StorageSharedKeyCredential(AZURITE_ACCOUNT.name, AZURITE_ACCOUNT.key);
  const service = new BlobServiceClient(endpoint, newPipeline(credential, TRUSTING));
  return {
    endpoint,
    server,
    createContainer: async (name) => void (await service.createContainer(name)),
    settings: (of) => ({
      accountName: AZURITE_ACCOUNT.name,
      prefix: '',
      endpoint,
      accountKey: AZURITE_ACCOUNT.key,
      sasToken: null,
      useWorkloadIdentity: false,
      clientId: null,
      tenantId: null,
      clientSecret: null,
      requests: QUICK_REQUESTS,
      ...of,
    }),
  };
}

/** A shared access signature of its account for one container. @param permissions letters such as `racwdl` */
export function azuriteSignature(containerName: string, permissions: string, expiresOn: Date): string {
  const credential = new StorageSharedKeyCredential(AZURITE_ACCOUNT.name, AZURITE_ACCOUNT.key);
  const of = { containerName, expiresOn, permissions: ContainerSASPermissions.parse(permissions) };
  return generateBlobSASQueryParameters(of, credential).toString();
}

function ensureAzurite(): Promise<string> {
  return cached(`azurite-${VERSION}-mended`, async (temporary) => {
    const options = ['--prefix', temporary, '--no-audit', '--no-fund', '--no-save', '--ignore-scripts'];
    await run('npm', ['install', ...options, `azurite@${VERSION}`], { cwd: temporary, timeout: INSTALL_TIMEOUT_MS });
    await mend(join(temporary, 'node_modules', 'azurite', ...APPENDING));
  });
}

/**
 * When an upload is cut off, Azurite 3.37.0 closes the file that it goes to while a write to it is under way. That write ends up
 * in whatever file is opened next, and blobs of others, stored long ago, are not what they were: agents that are killed, and
 * connections that are cut, would damage the backup. Destroying the stream waits for the write first.
 */
async function mend(file: string): Promise<void> {
  const source = await readFile(file, 'utf8');
  if (source.split(CLOSES_TOO_EARLY).length !== 2) throw new Error(`Azurite ${VERSION}: ${file} is not as expected`);
  await writeFile(file, source.replace(CLOSES_TOO_EARLY, CLOSES_IN_TIME));
}
