// What cannot be done is refused: with the exit code of its kind, a message that names the culprit, and nothing written. The
// kinds are those of src/model/errors.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readFooter } from '../../src/segment/segment-reader.ts';
import { FilesystemObjectStore } from '../../src/storage/filesystem/filesystem-object-store.ts';
import { AgentProcess, type AgentRun } from '../support/agent-process.ts';
import { assertExit, onlyIncarnation } from '../support/agent-workspace.ts';
import { digestOf } from '../support/compare-topics.ts';
import { freePort } from '../support/free-port.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { changeJson } from '../support/sealed-json.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const TOPIC = 'orders';
const RECORDS = 3000;
const NOBODY = 65_534;

describe('the agent refuses', { timeout: 120_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let stores = 0;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic(TOPIC);
    for (const firstIndex of [0, RECORDS / 2]) {
      await probe.produce(TOPIC, { records: RECORDS / 2, firstIndex });
      const backup = { frame_bytes: '64KiB', segment_max_bytes: '512KiB' };
      assertExit(await system.workspace.backup({ backupId: 'good', topics: [TOPIC], backup }), 0);
    }
  });

  after(() => system?.stop());

  /** A copy of the good store, to be spoilt. */
  async function copyOfStore(): Promise<string> {
    stores += 1;
    const store = join(system.workspace.directory, `copy-${stores}`);
    await cp(system.workspace.store, store, { recursive: true });
    return store;
  }

  function backup(store: string, bootstrap?: string): Promise<AgentRun> {
    return system.workspace.backup({
      backupId: 'good',
      topics: [TOPIC],
      store,
      ...(bootstrap === undefined ? {} : { bootstrap }),
    });
  }

  function restore(store: string, target: string): Promise<AgentRun> {
    return system.workspace.restore({ backupId: 'good', topics: { [TOPIC]: target }, store });
  }

  function assertRefused(run: AgentRun, exitCode: number, code: string, message: RegExp): void {
    assertExit(run, exitCode);
    assert.equal(run.failure?.code, code);
    assert.match(run.failure?.message ?? '', message);
    assert.equal(run.stdout, '');
  }

  async function assertNoTopic(topic: string): Promise<void> {
    await assert.rejects(probe.describeTopic(topic), /UnknownTopicOrPartition/);
  }

  it('a broker that does not answer', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    assertRefused(await backup(system.workspace.store, address), 1, 'KAFKA_UNREACHABLE', new RegExp(address));
    const run = await system.workspace.restore({ backupId: 'good', topics: { [TOPIC]: 'never' }, bootstrap: address });
    assertRefused(run, 1, 'KAFKA_UNREACHABLE', new RegExp(address));
  });

  it('a configuration with mistakes: all of them at once, each with its place, and nothing is started', async () => {
    let connections = 0;
    const server = createServer().on('connection', () => (connections += 1));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { directory } = system.workspace;
    const store = join(directory, 'never-made');
    const lines = [
      'mode: backup',
      'backup_id: mistaken',
      'source:',
      `  bootstrap_servers: ["127.0.0.1:${(server.address() as AddressInfo).port}"]`,
      '  topics: {include: ["${NOWHERE_SET}"]}',
      '  security: {security_protocol: SSL, ssl_ca_location: missing.pem}',
      `storage: {backend: filesystem, path: ${store}}`,
      'backup:',
      '  continous: true',
      '  segment_max_bytes: 12 parsecs',
    ];
    const file = join(directory, 'mistaken.yaml');
    await writeFile(file, lines.join('\n'));
    const run = await new AgentProcess(['backup', '--config', file, '--json'], { cwd: directory }).exit();
    server.close();
    assertRefused(run, 2, 'CONFIG_INVALID', /Did you mean "continuous"/);
    const told = (run.failure?.message ?? '').split('\n');
    for (const [line, what] of [
      [5, 'NOWHERE_SET'],
      [6, 'ssl_ca_location'],
      [9, 'backup.continous'],
      [10, '12 parsecs'],
    ] as const) {
      const isTold = told.some((one) => one.includes(`mistaken.yaml:${line}:`) && one.includes(what));
      assert.ok(isTold, `${what} in line ${line}\n${told.join('\n')}`);
    }
    assert.equal(connections, 0);
    assert.ok(!existsSync(store));
  });

  it('a port that speaks another protocol', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      assertRefused(await backup(system.workspace.store, address), 1, 'KAFKA_NOT_KAFKA', /HTTP/);
    } finally {
      server.close();
    }
  });

  it('a store where a directory cannot be made', async () => {
    const file = join(system.workspace.directory, 'a-file');
    await writeFile(file, '');
    assertRefused(await backup(join(file, 'store')), 1, 'STORE_REFUSED', /a-file/);
  });

  it('a store that its user may not write, and says what to look at', async () => {
    const { directory } = system.workspace;
    const store = join(directory, 'read-only');
    await mkdir(store);
    await chmod(store, 0o555);
    await chmod(directory, 0o755);
    // The mode bits of a directory bind everybody but root.
    const run = await system.workspace.backup({
      backupId: 'unwritable',
      topics: [TOPIC],
      store,
      ...(process.getuid?.() === 0 ? { run: { uid: NOBODY } } : {}),
    });
    assertRefused(run, 1, 'STORE_REFUSED', /read-only.*EACCES/);
    assert.match(run.stderr, /"hint":"[^"]*check owner and mode, and the user that the agent runs as/);
    assert.deepEqual(await readdir(store), []);
  });

  it('to back up another cluster into a backup', async () => {
    const store = await copyOfStore();
    const path = join(store, 'good', 'backup.json');
    await rewrite(path, (identity) => ({ ...identity, clusterId: 'AnotherCluster' }));
    assertRefused(await backup(store), 1, 'BACKUP_OF_OTHER_CLUSTER', /AnotherCluster/);
  });

  it('a backup of a newer format', async () => {
    const store = await copyOfStore();
    const path = join(store, 'good', 'backup.json');
    await rewrite(path, (identity) => ({ ...identity, formatVersion: 99 }));
    assertRefused(await backup(store), 1, 'FORMAT_TOO_NEW', /99/);
    assertRefused(await restore(store, 'newer'), 1, 'FORMAT_TOO_NEW', /99/);
    await assertNoTopic('newer');
  });

  it('a catalog that lacks a commit', async () => {
    const store = await copyOfStore();
    await rm(join(store, 'good', 'catalog', '00000000000000000001.json'));
    assertRefused(await backup(store), 13, 'CATALOG_CORRUPT', /commit 1 /);
    assertRefused(await restore(store, 'holed'), 13, 'CATALOG_CORRUPT', /commit 1 /);
    await assertNoTopic('holed');
  });

  it('a catalog with a changed commit', async () => {
    const store = await copyOfStore();
    const path = join(store, 'good', 'catalog', '00000000000000000001.json');
    await rewrite(path, (commit) => ({ ...commit, writer: 'another' }));
    assertRefused(await restore(store, 'changed'), 13, 'CATALOG_CORRUPT', /does not follow/);
    await assertNoTopic('changed');
  });

  it('a newest commit with a damaged byte', async () => {
    const store = await copyOfStore();
    const path = await newestCommit(store);
    const text = await readFile(path, 'utf8');
    const damaged = text.replace(/"recordCount":(\d+)/, (_, count) => `"recordCount":${Number(count) + 1}`);
    assert.notEqual(damaged, text);
    await writeFile(path, damaged);
    assertRefused(await restore(store, 'damaged'), 13, 'CATALOG_CORRUPT', /json was changed after it was written/);
    await assertNoTopic('damaged');
  });

  it('a catalog that names objects outside its backup', async () => {
    for (const key of ['../../outside.log', 'good/data/../../outside.log', '/outside.log', 'other/data/outside.log']) {
      const store = await copyOfStore();
      await rewrite(await newestCommit(store), (commit) => {
        return JSON.parse(JSON.stringify(commit).replace(/"key":"[^"]*"/, `"key":${JSON.stringify(key)}`)) as object;
      });
      await writeFile(join(store, '..', 'outside.log'), 'untouched');
      assertRefused(await restore(store, 'outside'), 13, 'CATALOG_CORRUPT', /outside\.log/);
      assertRefused(await backup(store), 13, 'CATALOG_CORRUPT', /outside\.log/);
      assert.equal(await readFile(join(store, '..', 'outside.log'), 'utf8'), 'untouched');
    }
    await assertNoTopic('outside');
  });

  it('a restore whose objects are missing or cut short', async () => {
    const { segments } = onlyIncarnation(await system.workspace.catalog('good'), TOPIC).partitions.get(0)!;
    const store = await copyOfStore();
    await rm(join(store, segments[0]!.key));
    assertRefused(await restore(store, 'missing'), 4, 'PREFLIGHT_BLOCKED', /is missing/);
    await assertNoTopic('missing');
    const cut = await copyOfStore();
    const bytes = await readFile(join(cut, segments[0]!.key));
    await writeFile(join(cut, segments[0]!.key), bytes.subarray(0, -1));
    assertRefused(await restore(cut, 'cut'), 4, 'PREFLIGHT_BLOCKED', /bytes instead of/);
    await assertNoTopic('cut');
  });

  it('to produce anything of a frame with a changed byte', async () => {
    const store = await copyOfStore();
    const { segments } = onlyIncarnation(await system.workspace.catalog('good', store), TOPIC).partitions.get(0)!;
    const segment = segments[1]!;
    const { frames } = await readFooter(new FilesystemObjectStore(store), segment);
    assert.ok(frames.length >= 3, `there are several frames (${frames.length})`);
    const frame = frames[1]!;
    const file = await open(join(store, segment.key), 'r+');
    const position = frame.position + Math.floor(frame.storedSizeBytes / 2);
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, position);
    await file.write(Buffer.from([byte[0]! ^ 0x10]), 0, 1, position);
    await file.close();

    assertRefused(await restore(store, 'corrupt'), 13, 'OBJECT_CORRUPT', new RegExp(segment.key));
    const restored = (await probe.digest('corrupt')).get(0)!;
    assert.ok(BigInt(restored.recordCount) <= frame.baseOffset, `${restored.recordCount} records were produced`);
    const offsets = { 0: { endOffset: BigInt(restored.recordCount) } };
    const source = (await digestOf({ probe, topic: TOPIC, options: { offsets } })).get(0);
    assert.equal(restored.sha256, source?.sha256);
  });

  it('a missing topic, where the configuration says so', async () => {
    const { workspace } = system;
    const topics = [TOPIC, 'nowhere'];
    const failing = await workspace.backup({ backupId: 'strict', topics, backup: { on_missing_topic: 'fail' } });
    assertRefused(failing, 1, 'TOPIC_NOT_FOUND', /nowhere/);
    const waiting = await workspace.backup({ backupId: 'lenient', topics });
    assertExit(waiting, 3);
    assert.deepEqual(waiting.summary.shortfalls, ['nowhere: no such topic']);
  });

  it('a restore of what the backup does not hold', async () => {
    const { workspace } = system;
    const unknown = await workspace.restore({ backupId: 'unknown', topics: { [TOPIC]: 'never' } });
    assertRefused(unknown, 10, 'BACKUP_NOT_FOUND', /unknown/);
    const other = await workspace.restore({ backupId: 'good', topics: { nowhere: 'never' } });
    assertRefused(other, 4, 'NOTHING_TO_RESTORE', /nowhere/);
    await assertNoTopic('never');
  });

  it('a restore into a topic that holds records, and leaves that topic as it is', async () => {
    await probe.createTopic('filled', { config: { 'retention.ms': 86_400_000 } });
    await probe.produce('filled', { records: 10, startTimestampMs: Date.now() });
    const before = await probe.describeTopic('filled');
    assertRefused(await restore(system.workspace.store, 'filled'), 4, 'PREFLIGHT_BLOCKED', /filled is not empty/);
    assert.equal((await probe.endOffsets('filled')).get(0), 10n);
    assert.deepEqual(await probe.describeTopic('filled'), before);
  });
});

/** As somebody would who knows the format. */
async function rewrite(path: string, change: Parameters<typeof changeJson>[1]): Promise<void> {
  await writeFile(path, changeJson(await readFile(path), change));
}

async function newestCommit(store: string): Promise<string> {
  const folder = join(store, 'good', 'catalog');
  const commits = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  return join(folder, commits.at(-1)!);
}
