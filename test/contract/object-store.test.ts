import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FilesystemObjectStore } from '../../src/storage/filesystem/filesystem-object-store.ts';
import { MemoryObjectStore } from '../../src/storage/memory-object-store.ts';
import { ObservedObjectStore } from '../../src/storage/observed-object-store.ts';
import { describeObjectStore, type OpenStore } from './object-store.contract.ts';

async function openFilesystem(): Promise<OpenStore> {
  const root = await mkdtemp(join(tmpdir(), 'kafka-backup-store-'));
  return {
    store: new FilesystemObjectStore(join(root, 'made', 'on', 'demand')),
    showsUploads: true,
    close: () => rm(root, { recursive: true }),
  };
}

async function openMemory(): Promise<OpenStore> {
  return { store: new MemoryObjectStore(), showsUploads: false, close: async () => {} };
}

describeObjectStore('in memory', openMemory);
describeObjectStore('on a filesystem', openFilesystem);
describeObjectStore('behind an observer', async () => {
  const { store, close } = await openMemory();
  return { store: new ObservedObjectStore(store, () => {}), showsUploads: false, close };
});
