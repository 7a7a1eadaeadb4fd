import { readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild-wasm';
const BUNDLED = ['pino', 'kafkajs', 'yaml', 'commander', 'convict', ...(process.argv[2]?.split(',')??[])];
const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const packages = Object.keys({ ...dependencies, ...optionalDependencies });
const out='/tmp/perf/dist-sep';
rmSync(out, { recursive: true, force: true });
for (const [entry,splitting] of [['src/main.ts',true],['src/frame-worker.ts',false]])
await build({ entryPoints: [entry], outdir: out, bundle: true, splitting, format: 'esm', platform: 'node', target: 'node22.18', chunkNames: '[name]-[hash]',minifyWhitespace:!!process.argv[3],minifySyntax:!!process.argv[3],
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  external: packages.filter((n) => !BUNDLED.includes(n)) });
