// The suite of contract/nanoseconds.contract.ts, with the backup in a directory.
import { SystemFixture } from '../support/system-fixture.ts';
import { describeNanoseconds } from './contract/nanoseconds.contract.ts';

describeNanoseconds({
  name: 'timestamps that no number holds',
  timeoutMs: 240_000,
  start: () => SystemFixture.start(),
});
