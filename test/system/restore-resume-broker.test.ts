// The suite of contract/restore-resume-broker.contract.ts, with the backup in a directory.
import { SystemFixture } from '../support/system-fixture.ts';
import { describeBrokerKills } from './contract/restore-resume-broker.contract.ts';

describeBrokerKills({
  name: 'a restore that is killed, and whose broker is killed',
  timeoutMs: 400_000,
  start: () => SystemFixture.start(),
});
