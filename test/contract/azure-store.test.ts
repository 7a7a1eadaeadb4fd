import { after, before } from 'node:test';
import { AzureObjectStore } from '../../src/storage/azure/azure-object-store.ts';
import { type Azurite, startAzurite } from '../support/stores/azurite.ts';
import { describeObjectStore } from './object-store.contract.ts';

let azurite: Azurite;
let containers = 0;

before(async () => {
  azurite = await startAzurite();
});

after(() => azurite?.server.stop());

describeObjectStore('on Azurite', async () => {
  containers += 1;
  const container = `backups-${containers}`;
  await azurite.createContainer(container);
  return {
    store: new AzureObjectStore(azurite.settings({ container, prefix: 'some/folder' })),
    showsUploads: true,
    close: async () => {},
  };
});
