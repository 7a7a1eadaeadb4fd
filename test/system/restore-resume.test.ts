// The suite of contract/restore-resume.contract.ts, with the backup in a directory.
import { SystemFixture } from '../support/system-fixture.ts';
import { describeRestoreKills } from './contract/restore-resume.contract.ts';

describeRestoreKills({ name: 'a restore that is killed', timeoutMs: 400_000, start: () => SystemFixture.start() });
