// The suite of contract/fidelity.contract.ts, with the backup in a directory.
import { SystemFixture } from '../support/system-fixture.ts';
import { describeFidelity } from './contract/fidelity.contract.ts';

describeFidelity({ name: 'a restored topic', timeoutMs: 240_000, start: () => SystemFixture.start() });
