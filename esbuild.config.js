// Builds the package: the entry, and beside it one file with the rest of the agent and one with the code of its threads, each with
// the larger pure-JavaScript dependencies in it. These two are CommonJS, which Node links and gives its built-in modules faster: a
// backup of next to nothing takes 0.30 s of CPU instead of 0.34 in ECMAScript modules with a file for each command (medians of 20
// alternating runs). Native packages, those that start files of their own (piscina) and those loaded on demand stay packages.
// Beside the agent stands its compiled code, for the Node that runs this build.

import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'esbuild-wasm';

const BUNDLED = ['pino', 'kafkajs', 'yaml', 'commander', 'convict'];
const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const packages = Object.keys({ ...dependencies, ...optionalDependencies });

const shared = { outdir: 'dist', bundle: true, platform: 'node', target: 'node22.18' };
/** The entry turns the cache of compiled code on before it loads the agent, which therefore is another file. */
const agentApart = {
  name: 'agent-apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/agent\.ts$/ }, () => ({ path: resolve('src/bundle/packaged-agent.ts') })),
};

rmSync('dist', { recursive: true, force: true });
await build({ ...shared, entryPoints: ['src/main.ts'], format: 'esm', plugins: [agentApart] });
await build({
  ...shared,
  entryPoints: ['src/agent.ts', 'src/frame-worker.ts'],
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  external: packages.filter((name) => !BUNDLED.includes(name)),
  define: { 'import.meta.url': 'moduleUrl' },
  // What is loaded on demand is required: import() in a script that is run with its compiled code (src/bundle) makes Node warn on stderr.
  supported: { 'dynamic-import': false },
  banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
});
chmodSync('dist/main.js', 0o755);
execFileSync(process.execPath, ['src/bundle/keep-code.ts', resolve('dist/agent.cjs')], { stdio: ['ignore', 'ignore', 'pipe'] });
