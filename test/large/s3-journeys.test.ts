// Fidelity, kills and restores of the directory's tests, with the backup in versitygw, which stands for S3.
import { describeStoreJourneys } from './store-journeys.contract.ts';

describeStoreJourneys('S3');
