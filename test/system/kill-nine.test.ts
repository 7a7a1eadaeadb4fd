// The suite of contract/kill-nine.contract.ts, with the backup in a directory.
import { SystemFixture } from '../support/system-fixture.ts';
import { describeBackupKills } from './contract/kill-nine.contract.ts';

describeBackupKills({
  name: 'a continuous backup that is killed',
  timeoutMs: 150_000,
  start: () => SystemFixture.start(),
});
