// All that is shown of a backup in a directory, shown of one in an object store, by the same suites and in the same numbers: what a
// restored topic holds, points in time, nanoseconds, and agents that are killed while they back up and restore. Took 27 to 35
// minutes for a store on two cores that were busy with other work, so it runs when it is asked for: `npm test -- large`. What of it
// fits into every run is in test/system/object-stores.test.ts.
import { type CloudName, START_CLOUD } from '../support/stores/cloud-stores.ts';
import { SystemFixture } from '../support/system-fixture.ts';
import { describeFidelity } from '../system/contract/fidelity.contract.ts';
import { describeBackupKills } from '../system/contract/kill-nine.contract.ts';
import { describeNanoseconds } from '../system/contract/nanoseconds.contract.ts';
import { describePointInTime } from '../system/contract/point-in-time.contract.ts';
import { describeBrokerKills } from '../system/contract/restore-resume-broker.contract.ts';
import { describeRestoreKills } from '../system/contract/restore-resume.contract.ts';

/** Of each suite, on a machine that others use too. */
const TIMEOUT_MS = 1_200_000;

const SUITES = {
  'a restored topic': describeFidelity,
  'a continuous backup that is killed': describeBackupKills,
  'a restore that is killed': describeRestoreKills,
  'a restore that is killed, and whose broker is killed': describeBrokerKills,
  'a restore to a point in time': describePointInTime,
  'timestamps that no number holds': describeNanoseconds,
};

/** Each suite has a broker and a server of its own. */
export function describeStoreJourneys(cloud: CloudName): void {
  const start = (): Promise<SystemFixture> => SystemFixture.start({ startStore: START_CLOUD[cloud] });
  for (const [name, describeSuite] of Object.entries(SUITES)) {
    describeSuite({ name: `${name} (${cloud})`, timeoutMs: TIMEOUT_MS, start });
  }
}
