// Which packages a process loads for its store, told by a hook on every module that it loads.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = new URL('../../../src/', import.meta.url);
const MAIN = fileURLToPath(new URL('main.ts', SRC));
/** Whose packages speak to each cloud. */
const CLOUDS = {
  s3: /^@(aws-sdk|aws-crypto|smithy)\//,
  azure: /^@azure\//,
  gcs: /^(@google-cloud\/|google-|gaxios$|gcp-metadata$)/,
};

/** At the end, the names of all packages of which a module was loaded. */
const HOOK = `
  import { writeFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  const packages = new Set();
  registerHooks({
    load(url, context, next) {
      const [, name] = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(url) ?? [];
      if (name !== undefined) packages.add(name);
      return next(url, context);
    },
  });
  process.on('exit', () => writeFileSync(process.env.LOADED_PACKAGES, JSON.stringify([...packages])));
`;

const directory = mkdtempSync(join(tmpdir(), 'open-store-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

interface Loaded {
  readonly exitCode: number | null;
  readonly stderr: string;
  readonly packages: readonly string[];
}

function packagesOf(...args: readonly string[]): Loaded {
  const file = join(directory, 'packages.json');
  rmSync(file, { force: true });
  const hook = `data:text/javascript,${encodeURIComponent(HOOK)}`;
  const env = { ...process.env, LOADED_PACKAGES: file };
  const { status, stderr } = spawnSync(process.execPath, ['--import', hook, ...args], { encoding: 'utf8', env });
  return { exitCode: status, stderr, packages: JSON.parse(readFileSync(file, 'utf8')) as string[] };
}

/** The clouds whose packages are among these. */
function cloudsAmong(packages: readonly string[]): string[] {
  return Object.entries(CLOUDS).flatMap(([cloud, own]) => (packages.some((name) => own.test(name)) ? [cloud] : []));
}

describe('what is loaded for a store', () => {
  test('is nothing of any cloud for a directory, by a backup and by what looks at a backup', () => {
    const config = {
      mode: 'backup',
      backup_id: 'lazy',
      source: { bootstrap_servers: ['127.0.0.1:1'] },
      storage: { backend: 'filesystem', path: join(directory, 'store') },
      control: { listen: false },
    };
    const file = join(directory, 'backup.yaml');
    writeFileSync(file, JSON.stringify(config));
    const backup = packagesOf(MAIN, 'backup', '--config', file);
    assert.equal(backup.exitCode, 1, backup.stderr);
    assert.match(backup.stderr, /127\.0\.0\.1:1/);
    assert.ok(backup.packages.includes('kafkajs'), 'what is loaded is noticed');
    assert.deepEqual(cloudsAmong(backup.packages), []);
    const list = packagesOf(MAIN, 'list', '--path', directory);
    assert.ok(list.packages.includes('commander'), 'what is loaded is noticed');
    assert.deepEqual(cloudsAmong(list.packages), []);
  });

  for (const [cloud, address] of [
    ['s3', 's3://bucket/prefix?region=eu-central-1'],
    ['azure', 'azure://account/container/prefix'],
    ['gcs', 'gs://bucket/prefix'],
  ] as const) {
    test(`is of no other cloud for ${cloud}`, () => {
      const script = `
        import { storageFromUrl } from '${new URL('config/storage/storage-url.ts', SRC).href}';
        import { openStore } from '${new URL('storage/open-store.ts', SRC).href}';
        const settings = storageFromUrl('${address}', {});
        await openStore(settings);
        process.exit(0);
      `;
      const { exitCode, stderr, packages } = packagesOf('--input-type=module', '-e', script);
      assert.equal(exitCode, 0, stderr);
      assert.deepEqual(cloudsAmong(packages), [cloud]);
    });
  }
});
