// Backups of OSO kafka-backup, made by the program itself, become ours: what is restored from them is what Kafka's own consumer sees
// at the source. The same for an import that is killed again and again.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { cp, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FilesystemObjectStore } from '../../src/storage/filesystem/filesystem-object-store.ts';
import { assertExit, committedOffset, committedRecords, restoredRecords } from '../support/agent-workspace.ts';
import { assertSameRecords, type TopicView } from '../support/compare-topics.ts';
import type { KafkaProbe } from '../support/kafka-probe.ts';
import { addedHeaders, PeerBackup, peerRecords } from '../support/peer-backup.ts';
import {
  backUp,
  fillSource,
  isPeerAtHand,
  PEER_COMPRESSIONS,
  PEER_FIXTURE,
  PLAIN_TOPIC,
  RECORDS,
  TRANSACTIONAL_TOPIC,
} from '../support/peer-program.ts';
import { START_CLOUD } from '../support/stores/cloud-stores.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const KILLS = 8;
const FILES = 150;
const FILE_RECORDS = 400;
/** After its first commit. */
const LONGEST_LIFE_MS = 150;

/** As the other program names an uncompressed file. */
function segmentName(firstOffset: number): string {
  return `segment-${firstOffset.toString().padStart(20, '0')}.bin`;
}

describe('an import of a backup that the other program made', { timeout: 300_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await fillSource(probe);
  });

  after(() => system?.stop());

  /** Restores one topic, and compares it with what a consumer sees at the source. */
  async function assertRestored(
    backupId: string,
    topic: keyof typeof RECORDS,
    view: Partial<TopicView>,
  ): Promise<void> {
    const target = `${backupId}-${topic}`;
    const run = await system.workspace.restore({ backupId, topics: { [topic]: target } });
    assertExit(run, 0);
    const options = { isolation: 'read_uncommitted' } as const;
    const compared = await assertSameRecords({ probe, topic, options, ...view }, { probe, topic: target, options });
    assert.deepEqual([compared, restoredRecords(run.summary)], [RECORDS[topic], RECORDS[topic]]);
  }

  // Those of the repository, and where the program is at hand, some that it makes now.
  for (const origin of ['fixture', ...(isPeerAtHand ? ['live'] : [])]) {
    it(`gives back every record, with each of its compressions (${origin})`, async () => {
      const from = origin === 'fixture' ? PEER_FIXTURE : join(system.workspace.directory, 'live');
      if (origin === 'live') await backUp(system.broker.bootstrap, from, system.workspace.directory);
      for (const compression of PEER_COMPRESSIONS) {
        const backupId = `${origin}-${compression}`;
        const args = ['--backup-id', compression, '--markers', 'drop'];
        const run = await system.workspace.import({ backupId, from, args });
        assertExit(run, 0);
        const { records, gaps, transaction_ends, records_with_added_headers } = run.summary;
        const counted = RECORDS[PLAIN_TOPIC] + RECORDS[TRANSACTIONAL_TOPIC];
        assert.deepEqual({ records, gaps, transaction_ends }, { records: counted, gaps: 0, transaction_ends: 2 });
        assert.equal(records_with_added_headers, counted + 2);
        await assertRestored(backupId, PLAIN_TOPIC, {});
        await assertRestored(backupId, TRANSACTIONAL_TOPIC, {});
        const state = await system.workspace.catalog(backupId);
        const ends = await probe.endOffsets(PLAIN_TOPIC);
        for (const [partition, end] of ends) assert.equal(committedOffset(state, PLAIN_TOPIC, partition), end);
      }
    });
  }

  if (isPeerAtHand) {
    it('gives back every record once where the program ran again and wrote over its own files', async () => {
      const [short, long] = [15, 40];
      for (const [first, second] of [
        [short, long],
        [long, short],
      ] as const) {
        const topic = `again-${first}`;
        const from = join(system.workspace.directory, topic);
        const records = Array.from({ length: 50 }, (_, index) => ({ value: `${index}` }));
        await probe.createTopic(topic);
        for (const segmentRecords of [first, second]) {
          await probe.produceRecords(topic, 0, records);
          await backUp(system.broker.bootstrap, from, system.workspace.directory, { topics: [topic], segmentRecords });
        }
        const run = await system.workspace.import({ backupId: topic, from, args: ['--backup-id', 'zstd'] });
        assertExit(run, 0);
        assert.deepEqual([run.summary.records, run.summary.gaps], [100, 0]);
        const target = `${topic}-restored`;
        assertExit(await system.workspace.restore({ backupId: topic, topics: { [topic]: target } }), 0);
        assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: target }), 100);
      }
    });

    it('tells of files that the program left beside its manifest when it ran again with another compression', async () => {
      const from = join(system.workspace.directory, 'recompressed');
      const records = Array.from({ length: 100 }, (_, index) => ({ value: `${index}` }));
      await probe.createTopic('recompressed');
      for (const compression of ['zstd', 'lz4']) {
        await probe.produceRecords('recompressed', 0, records);
        const change = { topics: ['recompressed'], segmentRecords: 1000, backups: { same: compression } };
        await backUp(system.broker.bootstrap, from, system.workspace.directory, change);
      }
      const run = await system.workspace.import({ backupId: 'recompressed', from });
      assertExit(run, 3);
      const key = 'same/topics/recompressed/partition=0/segment-00000000000000000000.bin.lz4';
      const { complete, records: imported, unnamed_files, first_unnamed_file } = run.summary;
      assert.deepEqual([complete, imported, unnamed_files, first_unnamed_file], [false, 100, 1, key]);
      assert.ok(run.stderr.includes(key), run.stderr);
    });
  }

  it('keeps the added headers and the ends of transactions on request', async () => {
    const args = ['--backup-id', 'lz4', '--added-headers', 'keep'];
    assertExit(await system.workspace.import({ backupId: 'kept', from: PEER_FIXTURE, args }), 0);
    const topics = { [TRANSACTIONAL_TOPIC]: 'kept' };
    assertExit(await system.workspace.restore({ backupId: 'kept', topics }), 0);
    const records = await probe.records('kept', 0);
    assert.equal(records.length, RECORDS[TRANSACTIONAL_TOPIC] + 2);
    const names = ['x-original-offset', 'x-original-timestamp', 'x-source-cluster'];
    for (const { headers } of records)
      assert.deepEqual(
        headers.map(({ key }) => key),
        names,
      );
    assert.equal(records.at(-2)?.headers[0]?.value?.readBigInt64LE(), records.at(-2)?.offset);
  });

  it('names a damaged file and the position in it, and exits with 13', async () => {
    const from = join(system.workspace.directory, 'damaged');
    await cp(PEER_FIXTURE, from, { recursive: true });
    const peer = new PeerBackup(new FilesystemObjectStore(from), 'none');
    const key = `none/topics/${PLAIN_TOPIC}/partition=0/segment-00000000000000000012.bin`;
    const bytes = await peer.bytes(key);
    bytes[800] = bytes[800]! ^ 1;
    await peer.replace(key, bytes);
    const args = ['--backup-id', 'none'];
    const run = await system.workspace.import({ backupId: 'damaged', from, args });
    assertExit(run, 13);
    const [{ message, topic, gap } = assert.fail()] = run.summary.damaged as {
      message: string;
      topic: string;
      gap: boolean;
    }[];
    assert.equal(message, `${key}, byte ${bytes.byteLength - 8}: the file carries another CRC-32 than its bytes have`);
    assert.deepEqual(
      [topic, gap, committedOffset(await system.workspace.catalog('damaged'), PLAIN_TOPIC)],
      [PLAIN_TOPIC, false, 12n],
    );
    const gapped = await system.workspace.import({ backupId: 'damaged', from, args: [...args, '--damaged', 'gap'] });
    assertExit(gapped, 3);
    assert.deepEqual([gapped.summary.gaps, gapped.summary.gap_offsets], [1, '12']);
    assert.equal(committedOffset(await system.workspace.catalog('damaged'), PLAIN_TOPIC), 30n);
  });

  it('takes no file of another partition or topic for the one that is named', async () => {
    const folder = `none/topics/${PLAIN_TOPIC}`;
    const [first, second] = [`${folder}/partition=0/${segmentName(0)}`, `${folder}/partition=0/${segmentName(12)}`];
    const other = `${folder}/partition=1/${segmentName(3)}`;
    const foreign = `none/topics/${TRANSACTIONAL_TOPIC}/partition=0/${segmentName(0)}`;
    const cases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      exchanged: { [first]: other, [other]: first },
      'of-another-topic': { [foreign]: first, [second]: foreign },
    };
    for (const [backupId, changes] of Object.entries(cases)) {
      const from = join(system.workspace.directory, backupId);
      await cp(PEER_FIXTURE, from, { recursive: true });
      for (const [key, source] of Object.entries(changes)) await cp(join(PEER_FIXTURE, source), join(from, key));
      const args = ['--backup-id', 'none'];
      const run = await system.workspace.import({ backupId, from, args });
      assertExit(run, 13);
      const named = (run.summary.damaged as { message: string }[]).map(({ message }) => message.split(/[,:] /)[0]);
      assert.deepEqual(named, Object.keys(changes).sort());
      assertExit(await system.workspace.import({ backupId, from, args: [...args, '--damaged', 'gap'] }), 3);
      const intact = RECORDS[PLAIN_TOPIC] + RECORDS[TRANSACTIONAL_TOPIC] + 2;
      assert.equal(committedRecords(await system.workspace.catalog(backupId)), intact - 12 - 9);
    }
  });

  it('refuses to go into a backup of another origin', async () => {
    assertExit(await system.workspace.backup({ backupId: 'of-a-cluster', topics: [PLAIN_TOPIC] }), 0);
    const run = await system.workspace.import({
      backupId: 'of-a-cluster',
      from: PEER_FIXTURE,
      args: ['--backup-id', 'lz4'],
    });
    assert.equal(run.failure?.code, 'BACKUP_OF_OTHER_CLUSTER');
    assertExit(run, 1);
  });

  it('takes a backup out of another store than its own, with the keys of that one', async () => {
    const cloud = await START_CLOUD['Azure Blob']();
    try {
      const peer = new PeerBackup(cloud.store);
      await peer.add(peerRecords(0n, FILE_RECORDS));
      await peer.save();
      const env = Object.fromEntries(
        Object.entries(cloud.env).map(([name, value]) => [name.replace('__STORAGE__', '__FROM__'), value]),
      );
      const run = await system.workspace.import({ backupId: 'out-of-azure', from: cloud.url, run: { env } });
      assertExit(run, 0);
      assert.equal(committedRecords(await system.workspace.catalog('out-of-azure')), FILE_RECORDS);
    } finally {
      await cloud.stop();
    }
  });

  it('waits while the store of its source is away, and takes none of its files for missing', async () => {
    const from = join(system.workspace.directory, 'goes-away');
    const peer = new PeerBackup(new FilesystemObjectStore(from));
    for (let file = 0; file < FILES; file += 1) await peer.add(peerRecords(BigInt(file * FILE_RECORDS), FILE_RECORDS));
    await peer.save();
    for (const [backupId, args] of Object.entries({ 'away-gap': ['--damaged', 'gap'], 'away-stop': [] })) {
      const backup = { segment_max_records: FILE_RECORDS };
      const run = await system.workspace.startImport({ backupId, from, args, backup });
      await system.workspace.catalogUntil(backupId, ({ version }) => version > 1 || !run.isRunning);
      await rename(from, `${from}-elsewhere`);
      assert.ok(run.isRunning, 'the store went away too late');
      await sleep(1500);
      await rename(`${from}-elsewhere`, from);
      const ended = await run.exit();
      assertExit(ended, 0);
      const { records, gaps, damaged } = ended.summary;
      assert.deepEqual({ records, gaps, damaged }, { records: FILES * FILE_RECORDS, gaps: 0, damaged: [] });
      assert.match(ended.stderr, /the import waits/);
    }
  });

  it('killed again and again, and started again, ends with every record once', async (t) => {
    const from = join(system.workspace.directory, 'large');
    const peer = new PeerBackup(new FilesystemObjectStore(from));
    for (let file = 0; file < FILES; file += 1) {
      const records = peerRecords(BigInt(file * FILE_RECORDS), FILE_RECORDS);
      const stored = records.map((record) => ({ ...record, headers: addedHeaders(record) }));
      for (const partition of [0, 1])
        await peer.add(stored, { partition, form: { codec: partition === 0 ? 'lz4' : 'zstd' } });
    }
    await peer.save();
    const spec = { backupId: 'killed', from, backup: { segment_max_records: FILE_RECORDS } };
    assertExit(await system.workspace.import({ ...spec, backupId: 'whole' }), 0);
    const reached: bigint[] = [];
    let version = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const run = await system.workspace.startImport(spec);
      await system.workspace.catalogUntil('killed', (state) => state.version > version || !run.isRunning);
      await sleep(randomInt(0, LONGEST_LIFE_MS));
      run.signal('SIGKILL');
      await run.ended;
      const state = await system.workspace.catalog('killed');
      ({ version } = state);
      reached.push(committedOffset(state, 'orders'));
    }
    t.diagnostic(`committed after each kill: ${reached.join(', ')} of ${FILES * FILE_RECORDS}`);
    assertExit(await system.workspace.import(spec), 0);
    for (const backupId of ['whole', 'killed']) {
      assertExit(await system.workspace.restore({ backupId, topics: { orders: backupId } }), 0);
    }
    const compared = await assertSameRecords({ probe, topic: 'whole' }, { probe, topic: 'killed' });
    assert.equal(compared, 2 * FILES * FILE_RECORDS);
    const listed = await probe.records('killed', 1, 3 * FILE_RECORDS, { fromOffset: BigInt(FILE_RECORDS) });
    const expected = peerRecords(BigInt(FILE_RECORDS), listed.length).map(({ value }) =>
      Buffer.from(value!).toString(),
    );
    assert.deepEqual(
      listed.map(({ value }) => value?.toString()),
      expected,
    );
  });
});
