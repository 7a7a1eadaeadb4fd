// What verify-restore says of a restored topic: equal when it is as the backup has it, different with the very record when it is
// not, and inconclusive with the reason when nobody can know. The target is a real broker, changed behind everybody's back.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentRun, JsonObject } from '../support/agent-process.ts';
import { assertExit, restoredRecords } from '../support/agent-workspace.ts';
import { cutLog } from '../support/cut-log.ts';
import { editLog } from '../support/edit-log.ts';
import type { Codec, KafkaProbe, RecordToSend } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const T0 = 1_700_000_000_000;
const SMALL_PARTS = { segment_max_bytes: '256KiB', frame_bytes: '64KiB' };
const CLEANER_TIMEOUT_MS = 60_000;

interface Verified {
  readonly topic: string;
  readonly partition: number;
  readonly result: string;
  readonly records_compared: number;
  readonly difference: { readonly offset: string; readonly field: string; readonly source_offset: string } | null;
  readonly reasons: readonly string[];
}

describe('verify-restore', { timeout: 360_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start({ properties: { 'log.cleaner.backoff.ms': 200 } });
    ({ probe } = system);
    await probe.createTopic('source', { partitions: 3 });
    for (const [index, codec] of CODECS.entries()) {
      await probe.produce('source', { records: 2000, firstIndex: index * 2000, keys: 200, codec, headers: true });
    }
    await probe.produceRecords('source', 0, numbered('done', 20), { transactionalId: 'done' });
    await probe.produceRecords('source', 1, numbered('undone', 20), { transactionalId: 'undone', outcome: 'abort' });
    await probe.produceRecords('source', 2, numbered('last', 20));
    await probe.createTopic('plain');
    for (const from of [0, 100, 200]) {
      await probe.produceRecords('plain', 0, numbered('plain', 100, from), { idempotent: false });
    }
    const topics = ['source', 'plain'];
    assertExit(await system.workspace.backup({ backupId: 'b', topics, backup: SMALL_PARTS }), 0);
  });

  after(() => system?.stop());

  /** Restores a topic under another name. @returns the id of the restore */
  async function restore(
    topic: string,
    target: string,
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const run = await system.workspace.restore({ backupId: 'b', topics: { [topic]: target }, restore: settings });
    assertExit(run, 0);
    return run.summary.id as string;
  }

  function partitionsOf({ summary }: AgentRun): readonly Verified[] {
    return summary.partitions as unknown as readonly Verified[];
  }

  async function assertVerified(
    id: string | undefined,
    result: 'equal' | 'different' | 'inconclusive',
  ): Promise<AgentRun> {
    const run = await system.workspace.verifyRestore('b', id);
    assert.equal(run.summary.result, result, JSON.stringify(run.summary, null, 1) + run.stderr);
    assertExit(run, { equal: 0, different: 13, inconclusive: 3 }[result]);
    return run;
  }

  const SHAPES: readonly (readonly [what: string, settings: Readonly<Record<string, unknown>>])[] = [
    ['as it was', {}],
    ['recompressed, in small batches', { compression: 'zstd', produce_batch_size: 7 }],
    ['of a window', { time_window_start: T0 + 1000, time_window_end: T0 + 6000 }],
    ['cut like a log', { time_window_end: T0 + 6000, cut: 'log' }],
    ['with aborted records', { isolation: 'read_uncommitted' }],
    ['with provenance headers', { include_original_offset_header: true }],
    ['filtered', { filter: { key: '7$' } }],
  ];

  for (const [index, [what, settings]] of SHAPES.entries()) {
    it(`says equal of a topic that was restored ${what}`, async () => {
      const target = `shape-${index}`;
      const id = await restore('source', target, settings);
      const { summary } = await assertVerified(id, 'equal');
      const ends = [...(await probe.endOffsets(target)).values()];
      const there = Number(ends.reduce((total, end) => total + end, 0n));
      assert.ok(there > 0);
      assert.deepEqual([summary.records_expected, summary.records_compared], [there, there]);
    });
  }

  it('says equal of other numbers of partitions, chosen by key', async () => {
    const repartitioning = { spread: { strategy: 'murmur2', target_partitions: 7 } };
    const { summary } = await assertVerified(await restore('source', 'spread', { repartitioning }), 'equal');
    assert.equal((summary.partitions as readonly JsonObject[]).length, 7);
  });

  it('takes the newest complete restore when none is named, and what was written behind it for what it is', async () => {
    const id = await restore('plain', 'newest');
    await probe.produceRecords('newest', 0, numbered('behind', 5));
    const { summary } = await assertVerified(undefined, 'equal');
    assert.deepEqual([summary.restore_id, summary.offsets_behind], [id, '5']);
    const partitions = (await probe.endOffsets('newest')).size;
    await probe.addPartitions('newest', partitions + 1);
    await probe.produceRecords('newest', partitions, numbered('beside', 3));
    assert.equal((await assertVerified(undefined, 'equal')).summary.offsets_behind, '8');
    const appended = await restore('plain', 'newest', { into_existing: 'append' });
    const second = await assertVerified(appended, 'equal');
    assert.deepEqual([second.summary.restore_id, second.summary.records_compared], [appended, 300]);
  });

  it('says different of a value, and a key, that is another one now, and names the record', async () => {
    const ids = [await restore('plain', 'value'), await restore('plain', 'key')];
    await assertVerified(ids[0], 'equal');
    await system.broker.kill9();
    const { logDir } = system.broker;
    await editLog(logDir, { topic: 'value', partition: 0 }, { from: 'plain value 217', to: 'plain value 299' });
    await editLog(logDir, { topic: 'key', partition: 0 }, { from: 'key-042', to: 'key-043' });
    await system.broker.restart();
    const value = partitionsOf(await assertVerified(ids[0], 'different'))[0]!;
    assert.deepEqual(
      [value.difference?.field, value.difference?.offset, value.difference?.source_offset],
      ['value', '217', '217'],
    );
    assert.equal(value.records_compared, 217);
    const [listed] = await probe.records('value', 0, 1, { fromOffset: 217n });
    assert.equal(listed?.value?.toString(), 'plain value 299');
    const key = partitionsOf(await assertVerified(ids[1], 'different'))[0]!;
    assert.deepEqual([key.difference?.field, key.difference?.offset], ['key', '42']);
  });

  it('says different when the end of the log is gone', async () => {
    const id = await restore('plain', 'short', { produce_batch_size: 50 });
    await system.broker.kill9();
    await cutLog(system.broker.logDir, 'short', 0, 250n);
    await system.broker.restart();
    const [verified] = partitionsOf(await assertVerified(id, 'different'));
    assert.deepEqual([verified?.difference?.field, verified?.difference?.offset], ['record', '250']);
    await probe.produceRecords('short', 0, numbered('other', 50));
    const [other] = partitionsOf(await assertVerified(id, 'different'));
    assert.deepEqual([other?.difference?.offset, other?.records_compared], ['250', 250]);
  });

  it('is inconclusive where the target has deleted records, and compares the others', async () => {
    const id = await restore('plain', 'trimmed');
    await probe.deleteRecords('trimmed', 0, 120n);
    const [verified] = partitionsOf(await assertVerified(id, 'inconclusive'));
    assert.match(verified!.reasons.join(), /trimmed-0 has deleted 120 restored record\(s\) at its start/);
    assert.equal(verified?.records_compared, 180);
    await probe.deleteRecords('trimmed', 0, 300n);
    const [all] = partitionsOf(await assertVerified(id, 'inconclusive'));
    assert.equal(all?.records_compared, 0);
  });

  it('is inconclusive where compaction has taken records', async () => {
    const id = await restore('plain', 'compacted');
    await assertVerified(id, 'equal');
    const compacting = { 'cleanup.policy': 'compact', 'segment.ms': 500, 'min.cleanable.dirty.ratio': 0.01 };
    await probe.alterTopicConfig('compacted', { ...compacting, 'max.compaction.lag.ms': 1 });
    const deadline = Date.now() + CLEANER_TIMEOUT_MS;
    // Each write may roll the log segment; the cleaner takes only those before the newest.
    for (let left = 300; left > 250; ) {
      assert.ok(Date.now() < deadline, `the cleaner ran (${left} records are left)`);
      await sleep(300);
      const later = numbered('later', 100).map((record) => ({ ...record, timestampMs: Date.now() }));
      await probe.produceRecords('compacted', 0, later);
      left = (await probe.records('compacted', 0, 1000)).filter(({ offset }) => offset < 300n).length;
    }
    const [verified] = partitionsOf(await assertVerified(id, 'inconclusive'));
    assert.match(verified!.reasons.join(), /compacted-0 has lost \d+ restored record\(s\) between others: compaction/);
    assert.ok(verified!.records_compared >= 200 && verified!.records_compared < 300);
  });

  it('is inconclusive when the topic was made again, or is gone', async () => {
    const id = await restore('plain', 'again');
    await probe.deleteTopic('again');
    const gone = await assertVerified(id, 'inconclusive');
    assert.match(String(gone.summary.reasons), /topic again, which was restored, is gone/);
    await sleep(500);
    await probe.createTopic('again');
    const made = await assertVerified(id, 'inconclusive');
    assert.match(String(made.summary.reasons), /topic again was made again since it was restored/);
  });

  it('is inconclusive where the backup has a gap, unless the log was cut before it', async () => {
    await probe.createTopic('gapped');
    await probe.produceRecords('gapped', 0, numbered('first', 10));
    assertExit(await system.workspace.backup({ backupId: 'gaps', topics: ['gapped'] }), 0);
    await probe.produceRecords('gapped', 0, numbered('second', 10));
    await probe.deleteRecords('gapped', 0, 15n);
    assertExit(await system.workspace.backup({ backupId: 'gaps', topics: ['gapped'] }), 3);
    const run = await system.workspace.restore({ backupId: 'gaps', topics: { gapped: 'gapped-restored' } });
    const verified = await system.workspace.verifyRestore('gaps', run.summary.id as string);
    assertExit(verified, 3);
    const [partition] = partitionsOf(verified);
    assert.match(partition!.reasons.join(), /the backup has a gap .*offsets 10 to 14 of gapped-0/);
    assert.equal(partition?.records_compared, 15);
    const spec = { backupId: 'gaps', topics: { gapped: 'gapped-cut' }, args: ['--to', String(T0 + 6), '--cut', 'log'] };
    const cut = await system.workspace.restore(spec);
    assertExit(cut, 0);
    assert.equal(restoredRecords(cut.summary), 7);
    assertExit(await system.workspace.verifyRestore('gaps', cut.summary.id as string), 0);
  });

  it('refuses a restore that there is not', async () => {
    const run = await system.workspace.verifyRestore('b', 'rst_none');
    assert.equal(run.failure?.code, 'RESTORE_NOT_FOUND');
    assertExit(run, 10);
  });
});

/** `count` records, with numbers as wide as all of them. */
function numbered(name: string, count: number, from = 0): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => {
    const number = String(from + index).padStart(3, '0');
    return { key: `key-${number}`, value: `${name} value ${number}`, timestampMs: T0 + from + index };
  });
}
