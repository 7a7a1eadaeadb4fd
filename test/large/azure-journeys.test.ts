// Fidelity, kills and restores of the directory's tests, with the backup in Azurite.
import { describeStoreJourneys } from './store-journeys.contract.ts';

describeStoreJourneys('Azure Blob');
