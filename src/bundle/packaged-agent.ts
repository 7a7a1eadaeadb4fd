// In the place of agent.ts in the package: see esbuild.config.js.

import { fileURLToPath } from 'node:url';
import { loadBundle } from './load-bundle.ts';

export const { runCommandLine } = loadBundle(fileURLToPath(new URL('./agent.cjs', import.meta.url)));
