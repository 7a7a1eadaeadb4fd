// `npm run check`: the static checks in seconds. Exits with 1 when one of them has a complaint.
import { runStaticChecks } from './checks/static-checks.ts';

const { passed, failed } = await runStaticChecks();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
