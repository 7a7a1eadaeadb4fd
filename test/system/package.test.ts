// The package as its users get it: built, packed, installed somewhere else, and run from there against a real broker. Without
// the optional zstd-napi, which cannot be built everywhere, it must do the same by node:zlib.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { compileBundle, keptCode, readBundle } from '../../src/bundle/load-bundle.ts';
import { projectRoot } from '../support/cache.ts';
import { type KafkaBroker, startKafka } from '../support/kafka-broker.ts';
import { KafkaProbe } from '../support/kafka-probe.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 5 * 60_000;
/** npm and the installed command run on the Node of this test. */
const ENV = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}` };
const RECORDS = 5000;

describe('the package', { timeout: 2 * TIMEOUT_MS }, () => {
  let directory: string;
  let installed: string;
  let broker: KafkaBroker;
  let probe: KafkaProbe;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kafka-backup-package-'));
    installed = join(directory, 'node_modules', 'kafka-backup-agent');
    const tarball = await pack(directory);
    // From npm 12 on, whoever installs says whose scripts may run.
    await writeFile(join(directory, 'package.json'), '{ "private": true, "allowScripts": { "zstd-napi": true } }\n');
    const options = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['install', '--prefix', directory, ...options, tarball], {
      cwd: directory,
      timeout: TIMEOUT_MS,
      env: ENV,
    });
    broker = await startKafka();
    probe = await KafkaProbe.start(broker.bootstrap);
  });

  after(async () => {
    await probe?.stop();
    await broker?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  });

  /** Runs the installed command. @throws with its output unless it ends with 0 */
  function execute(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const command = join(directory, 'node_modules', '.bin', 'kafka-backup');
    return run(command, args, { cwd: directory, timeout: TIMEOUT_MS, env: ENV });
  }

  /** As {@link execute}. @returns its results */
  async function kafkaBackup(...args: readonly string[]): Promise<string> {
    return (await execute(...args)).stdout;
  }

  it('holds the command, the examples and the schema, and no source', async () => {
    const { mode } = await stat(join(installed, 'dist', 'main.js'));
    assert.equal(mode & 0o111, 0o111, 'dist/main.js is executable');
    assert.match(await readFile(join(installed, 'dist', 'main.js'), 'utf8'), /^#!\/usr\/bin\/env node\n/);
    for (const file of ['config/schema.json', 'config/balanced.yaml', 'config/REFERENCE.md', 'dist/frame-worker.cjs']) {
      assert.ok((await stat(join(installed, file))).size > 0, file);
    }
    for (const absent of ['test', 'deploy/quickstart.sh', 'dist/reference']) {
      await assert.rejects(stat(join(installed, absent)), { code: 'ENOENT' }, absent);
    }
    const ofSource = await readdir(join(installed, 'src'), { recursive: true, withFileTypes: true });
    const files = ofSource.filter((entry) => entry.isFile()).map(({ name }) => name);
    assert.deepEqual([...new Set(files)], ['README.md']);
  });

  it('holds the compiled code of its own program, which its Node takes', async () => {
    const bundle = readBundle(join(installed, 'dist', 'agent.cjs'));
    const code = keptCode(bundle);
    assert.ok(code !== undefined && code.length > 500_000);
    assert.equal(compileBundle(bundle, code).cachedDataRejected, false);
  });

  it('holds every document that its documents link to', async () => {
    const names = await readdir(installed, { recursive: true });
    const documents = names.filter((name) => name.endsWith('.md') && !name.includes('node_modules'));
    assert.ok(documents.includes('README.md'));
    for (const document of documents) {
      const text = await readFile(join(installed, document), 'utf8');
      for (const [, link = ''] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        await assert.doesNotReject(stat(join(installed, dirname(document), link)), `${document}: ${link}`);
      }
    }
  });

  it('tells its version, that of Node and which zstd it uses: zstd-napi in an ordinary install', async () => {
    const { version } = await readPackage(projectRoot);
    const expected = `kafka-backup ${version} (node ${process.versions.node}, zstd by zstd-napi)\n`;
    assert.equal(await kafkaBackup('--version'), expected);
  });

  it('pins each of its dependencies to one version, and is installed with that', async () => {
    const { dependencies, optionalDependencies } = await readPackage(installed);
    const pinned = Object.entries({ ...dependencies, ...optionalDependencies });
    for (const [name, version] of pinned) {
      assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name);
      assert.equal((await readPackage(join(directory, 'node_modules', name))).version, version, name);
    }
    assert.equal(dependencies.kafkajs, '2.2.4');
    assert.deepEqual(Object.keys(optionalDependencies), ['zstd-napi']);
  });

  it('prints the schema that it ships', async () => {
    const shipped: unknown = JSON.parse(await readFile(join(installed, 'config', 'schema.json'), 'utf8'));
    assert.deepEqual(JSON.parse(await kafkaBackup('config', 'schema')), shipped);
  });

  it('says nothing on stderr but what is its own, also as on a terminal and where a store logs in by an identity', async () => {
    const { backup } = await writeConfigs(directory, broker.bootstrap, { id: 'said', logging: { format: 'pretty' } });
    assert.equal((await execute('list', '--config', backup)).stderr, '');
    const storage = { backend: 'azure', account_name: 'account', container: 'backups', use_workload_identity: true };
    const azure = await writeConfigs(directory, broker.bootstrap, { id: 'azure', storage });
    await assert.rejects(execute('list', '--config', azure.backup), {
      code: 12,
      stderr: /^error: ListBlobs .*WorkloadIdentityCredential.*\nhint: .*\n$/,
    });
  });

  it('backs up, and restores without zstd-napi what was written with it', async () => {
    await probe.createTopic('packed', { partitions: 2 });
    await probe.produce('packed', { records: RECORDS, keys: 100, headers: true });
    const files = await writeConfigs(directory, broker.bootstrap);
    assert.match(await kafkaBackup('backup', '--config', files.backup), /Backup completed\n(.*\n)*.*Records: 5,000\n/);

    await rm(join(directory, 'node_modules', 'zstd-napi'), { recursive: true, force: true });
    assert.match(await kafkaBackup('--version'), /zstd by node:zlib\)/);
    assert.match(
      await kafkaBackup('restore', '--config', files.restore),
      /Restore completed\n(.*\n)*.*Records: 5,000\n/,
    );
    const [original, restored] = await Promise.all([probe.digest('packed'), probe.digest('unpacked')]);
    for (const [partition, { sha256, recordCount }] of original) {
      assert.equal(restored.get(partition)?.sha256, sha256, `partition ${partition} of ${recordCount} records`);
    }
  });

  it('backs up without any optional dependency, and names the one that a codec needs', async () => {
    const modules = join(directory, 'node_modules');
    for (const scope of ['@node-rs', '@antoniomuso', '@napi-rs']) {
      const names = (await readdir(join(modules, scope))).filter((name) => /-(linux|darwin|win32)-/.test(name));
      assert.notDeepEqual(names, [], scope);
      for (const name of names) await rm(join(modules, scope, name), { recursive: true });
    }
    const bare = await writeConfigs(directory, broker.bootstrap, { id: 'bare' });
    assert.match(await kafkaBackup('backup', '--config', bare.backup), /Records: 5,000\n/);
    const deep = ['validate', '--deep', '--backup-id', 'bare', '--path', join(directory, 'store')];
    assert.match(await kafkaBackup(...deep), /Result: VALID/);
    // Blocked since the topic holds records by now; what matters is that the missing libraries are told of before.
    await assert.rejects(kafkaBackup('validate-restore', '--config', bare.restore), {
      code: 4,
      stdout: /warn +codecs: lz4-napi cannot be loaded: .*\n +warn +codecs: snappy cannot be loaded: /,
    });
    const lz4 = await writeConfigs(directory, broker.bootstrap, { id: 'lz4', backup: { compression: 'lz4' } });
    await assert.rejects(kafkaBackup('backup', '--config', lz4.backup), {
      code: 3,
      stderr: /lz4-napi cannot be loaded: .*"hint":"Install the package with its optional dependencies/,
    });
  });
});

interface PackageJson {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

async function readPackage(directory: string): Promise<PackageJson> {
  return JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as PackageJson;
}

/** Builds and packs a copy of the project, since other tests run what is built here. @returns the path of the tarball */
async function pack(directory: string): Promise<string> {
  const copy = join(directory, 'project');
  const left = new Set(['.git', '.cache', 'dist', 'node_modules'].map((name) => join(projectRoot, name)));
  await cp(projectRoot, copy, { recursive: true, filter: (path) => !left.has(path) });
  await symlink(join(projectRoot, 'node_modules'), join(copy, 'node_modules'));
  const options = ['--pack-destination', directory, '--loglevel=error', '--json'];
  const { stdout } = await run('npm', ['pack', ...options], { cwd: copy, timeout: TIMEOUT_MS, env: ENV });
  // The output of the build comes before the document.
  const name = /"filename":\s*"([^"]+)"/.exec(stdout)?.[1];
  assert.ok(name !== undefined, stdout);
  return join(directory, name);
}

async function writeConfigs(
  directory: string,
  bootstrap: string,
  { id, ...change }: { readonly id: string } & Readonly<Record<string, string | object>> = { id: 'packed' },
): Promise<{ backup: string; restore: string }> {
  const store = join(directory, 'store');
  await mkdir(store, { recursive: true });
  const files = { backup: join(directory, `${id}-backup.yaml`), restore: join(directory, `${id}-restore.yaml`) };
  const storage = { backend: 'filesystem', path: store };
  const source = { bootstrap_servers: [bootstrap], topics: { include: ['packed'] } };
  const target = { bootstrap_servers: [bootstrap] };
  const restore = { topic_mapping: { packed: 'unpacked' } };
  // JSON is YAML.
  await writeFile(files.backup, JSON.stringify({ mode: 'backup', backup_id: id, source, storage, ...change }));
  await writeFile(files.restore, JSON.stringify({ mode: 'restore', backup_id: id, target, storage, restore }));
  return files;
}
