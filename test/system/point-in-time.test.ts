// The suite of contract/point-in-time.contract.ts, with the backup in a directory.
import { SystemFixture } from '../support/system-fixture.ts';
import { describePointInTime } from './contract/point-in-time.contract.ts';

describePointInTime({ name: 'a restore to a point in time', timeoutMs: 180_000, start: () => SystemFixture.start() });
