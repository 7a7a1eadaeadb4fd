// Run by the build, in a process of its own: starts a backup that finds no broker, and keeps what had been compiled of the bundle by
// then.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERROR_KINDS } from '../model/errors.ts';
import { compileBundle, keepCode, readBundle, runBundle } from './load-bundle.ts';

const [path = ''] = process.argv.slice(2);
const bundle = readBundle(path);
const directory = mkdtempSync(join(tmpdir(), 'kafka-backup-build-'));
const config = join(directory, 'backup.yaml');
writeFileSync(
  config,
  `mode: backup
backup_id: build
source: {bootstrap_servers: ["127.0.0.1:1"], topics: {include: [build]}}
storage: {backend: filesystem, path: ${JSON.stringify(directory)}}
`,
);
try {
  const script = compileBundle(bundle);
  const { runCommandLine } = runBundle(script, bundle);
  const exitCode = await runCommandLine(['backup', '--config', config], new AbortController().signal);
  if (exitCode !== ERROR_KINDS.KAFKA_UNREACHABLE.exitCode)
    throw new Error(`a backup without a broker ended with ${exitCode}`);
  keepCode(bundle, script);
} finally {
  rmSync(directory, { recursive: true });
}
process.exit(0);
