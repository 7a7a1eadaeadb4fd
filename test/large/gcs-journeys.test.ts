// Fidelity, kills and restores of the directory's tests, with the backup in fake-gcs-server.
import { describeStoreJourneys } from './store-journeys.contract.ts';

describeStoreJourneys('Google Cloud Storage');
