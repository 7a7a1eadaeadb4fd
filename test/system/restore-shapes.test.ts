// A restore that changes the shape of a topic: other numbers of partitions, chosen by key as the Java client chooses, headers that
// tell where a record came from, and only the records that a filter wants. Kafka's own producer and consumer are the judges.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AgentProcess } from '../support/agent-process.ts';
import { assertExit, droppedRecords, restoredRecords } from '../support/agent-workspace.ts';
import type { Codec, KafkaProbe, ListedRecord, RecordToSend } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const RECORDS = 30_000;
const KEYS = 3000;
const UNKEYED = 500;
const T0 = 1_700_000_000_000;
const SMALL_PARTS = { segment_max_bytes: '256KiB', frame_bytes: '64KiB' };

describe('a restore that changes the shape of a topic', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;
  let keys: readonly Buffer[];

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await fill('six', 6);
    await fill('three', 3);
    const run = await system.workspace.backup({ backupId: 'shapes', topics: ['six', 'three'], backup: SMALL_PARTS });
    assertExit(run, 0);
    const records = [...(await probe.listTopic('six')).values()].flat();
    const distinct = new Map(records.flatMap(({ key }) => (key === null ? [] : [[key.toString('hex'), key]])));
    keys = [...distinct.values()];
    assert.ok(keys.length > KEYS * 0.9, `${keys.length} keys`);
  });

  after(() => system?.stop());

  /** 30,000 keyed records of every codec, and some without a key in each partition. */
  async function fill(topic: string, partitions: number): Promise<void> {
    await probe.createTopic(topic, { partitions });
    const records = RECORDS / CODECS.length;
    for (const [index, codec] of CODECS.entries()) {
      const batching = { lingerMs: 5, batchSize: 16_384 };
      const spec = { records, firstIndex: index * records, keys: KEYS, codec, valueBytes: 60, headers: true };
      await probe.produce(topic, { ...spec, ...batching, startTimestampMs: T0 });
      for (let partition = 0; partition < partitions; partition += 1) {
        await probe.produceRecords(topic, partition, unkeyed(partition, index), { codec });
      }
    }
  }

  /** Restores `topic` as `target`. */
  async function restore(topic: string, target: string, settings: Readonly<Record<string, unknown>>) {
    const run = await system.workspace.restore({ backupId: 'shapes', topics: { [topic]: target }, restore: settings });
    assertExit(run, 0);
    const found = await probe.listTopic(target);
    const total = [...found.values()].reduce((sum, records) => sum + records.length, 0);
    assert.equal(restoredRecords(run.summary), total);
    return { summary: run.summary, found };
  }

  /** Where Kafka's own producer puts a record with each key when nobody names the partition. By key, in hex. */
  async function javaChoice(topic: string, partitions: number): Promise<Map<string, number>> {
    await probe.createTopic(topic, { partitions });
    await probe.produceRecords(
      topic,
      -1,
      keys.map((key) => ({ key, value: null })),
    );
    const entries = [...(await probe.listTopic(topic))].flatMap(([partition, records]) =>
      records.map(({ key }): [string, number] => [key!.toString('hex'), partition]),
    );
    assert.equal(entries.length, keys.length);
    return new Map(entries);
  }

  for (const [topic, from, to] of [
    ['six', 6, 3],
    ['three', 3, 8],
  ] as const) {
    it(`spreads ${from} partitions over ${to} as a Java producer does, and keeps the order of each key`, async () => {
      const target = `${topic}-to-${to}`;
      const repartitioning = { [target]: { strategy: 'murmur2', target_partitions: to } };
      const { found } = await restore(topic, target, { repartitioning });
      assert.deepEqual([...found.keys()], [...Array.from({ length: to }).keys()]);
      const source = await probe.listTopic(topic);
      const choice = await javaChoice(`${target}-by-java`, to);
      for (const [partition, records] of found) {
        const strangers = records.filter(({ key }) => key !== null && choice.get(key.toString('hex')) !== partition);
        assert.deepEqual(strangers.slice(0, 3), [], `records in partition ${partition} that belong elsewhere`);
      }
      assert.deepEqual(streams(found, from), streams(source, from));
    });
  }

  it('tells of each record where it came from, behind its own headers', async () => {
    const { found } = await restore('six', 'six-told', { include_original_offset_header: true });
    const source = await probe.listTopic('six');
    for (const [partition, records] of found) {
      const expected = source.get(partition)!;
      assert.equal(records.length, expected.length);
      for (const [index, record] of records.entries()) {
        const { offset, timestampMs, headers } = expected[index]!;
        const origin = record.headers.slice(-3);
        assert.deepEqual(record.headers.slice(0, -3), headers);
        assert.deepEqual(
          origin.map(({ key }) => key),
          ['x-original-offset', 'x-original-timestamp', 'x-source-partition'],
        );
        assert.equal(origin[0]!.value!.readBigInt64LE(), offset);
        assert.equal(origin[1]!.value!.readBigInt64LE(), BigInt(timestampMs));
        assert.equal(origin[2]!.value!.readInt32LE(), partition);
      }
      assert.deepEqual(records.map(content), expected.map(content));
    }
  });

  it('leaves every record in its partition where partitions are added with preserve', async () => {
    const repartitioning = { 'three-wide': { strategy: 'preserve', target_partitions: 8 } };
    const { found } = await restore('three', 'three-wide', { repartitioning });
    const source = await probe.listTopic('three');
    assert.deepEqual([...source.keys()], [0, 1, 2]);
    assert.deepEqual([...found.keys()], [0, 1, 2, 3, 4, 5, 6, 7]);
    for (const [partition, records] of found) {
      assert.deepEqual(records.map(content), source.get(partition)?.map(content) ?? []);
    }
  });

  it('keeps a record’s origin through a change of partitions', async () => {
    const repartitioning = { 'three-told': { strategy: 'murmur2', target_partitions: 2 } };
    const { found } = await restore('three', 'three-told', { include_original_offset_header: true, repartitioning });
    const source = await probe.listTopic('three');
    const entries = [...source].flatMap(([partition, records]) =>
      records.map((record): [string, ListedRecord] => [`${partition} ${record.offset}`, record]),
    );
    const byOrigin = new Map(entries);
    const seen = [...found.values()].flat().map((record) => {
      const [offset, , partition] = record.headers.slice(-3);
      const origin = byOrigin.get(`${partition!.value!.readInt32LE()} ${offset!.value!.readBigInt64LE()}`);
      assert.ok(origin !== undefined);
      assert.equal(content(record), content(origin));
      return origin;
    });
    assert.equal(new Set(seen).size, byOrigin.size);
  });

  it('fits into a topic that takes only small batches, and says which record does not', async () => {
    await probe.createTopic('small-batches', { partitions: 6, config: { 'max.message.bytes': 2000 } });
    const { found } = await restore('six', 'small-batches', {});
    assert.deepEqual(streams(found, 6), streams(await probe.listTopic('six'), 6));

    // A record that was alone in its batch would be found before the restore begins.
    await probe.createTopic('pairs');
    await probe.produceRecords('pairs', 0, [{ value: Buffer.alloc(80) }, { value: Buffer.alloc(80) }]);
    assertExit(await system.workspace.backup({ backupId: 'pairs', topics: ['pairs'] }), 0);
    await probe.createTopic('tiny-batches', { config: { 'max.message.bytes': 100 } });
    const refused = await system.workspace.restore({ backupId: 'pairs', topics: { pairs: 'tiny-batches' } });
    assertExit(refused, 1);
    assert.match(
      refused.failure?.message ?? '',
      /record 0 of pairs-0 of the backup, a batch of \d+ bytes; when the restore began the topic took 100: raise max\.message\.bytes/,
    );
  });

  it('fits into a broker that takes only small batches, and is told so beforehand', async () => {
    await probe.alterBrokerConfig({ 'message.max.bytes': 2000 });
    try {
      const spec = { backupId: 'shapes', topics: { six: 'small-broker' }, args: ['--dry-run'] };
      const { checks } = (await system.workspace.restore(spec)).summary['plan'] as {
        readonly checks: readonly { readonly name: string; readonly level: string; readonly message: string }[];
      };
      const [size, ...others] = checks.filter(({ name }) => name === 'batch size');
      assert.deepEqual([size?.level, others], ['warn', []]);
      assert.match(size?.message ?? '', /^the largest batch has \d+ bytes, small-broker takes 2000: it is divided/);
      const { found } = await restore('six', 'small-broker', {});
      assert.deepEqual(streams(found, 6), streams(await probe.listTopic('six'), 6));
      const { configs } = await probe.describeTopic('small-broker');
      assert.equal(configs['max.message.bytes'], undefined);
    } finally {
      await probe.alterBrokerConfig({ 'message.max.bytes': null });
    }
  });

  it('comes from a backup of which a sample of the segments is found sound', async () => {
    const { workspace } = system;
    const args = ['validate', '--path', workspace.store, '--backup-id', 'shapes', '--deep', '--json'];
    const validate = async (...more: readonly string[]) => {
      const run = await new AgentProcess([...args, ...more], { cwd: workspace.directory }).exit();
      assertExit(run, 0);
      return run.summary;
    };
    const [whole, sampled] = [await validate(), await validate('--sample', '5%')];
    const segments = Number(whole['segments']);
    assert.ok(segments > 20, `${segments} segments`);
    const sample = sampled['sample'] as { readonly share: number; readonly segments: number; readonly seed: number };
    assert.deepEqual([sample.share, sample.segments], [0.05, Math.ceil(segments * 0.05)]);
    assert.equal(sampled['result'], 'VALID in a sample of 5%');
    const [all, some] = [whole, sampled].map((summary) => Number(summary['bytes_read']));
    assert.ok(some! > 0 && some! < all! / 4, `${some} of ${all} bytes read`);
  });

  it('holds only the records that the filter wants, and counts the others', async () => {
    const filter = { key: '^customer-0000[01]', header: 'content-type', header_value: '^application/json$' };
    const { summary, found } = await restore('six', 'six-filtered', { filter });
    const source = await probe.listTopic('six');
    let left = 0;
    for (const [partition, records] of source) {
      const wanted = records.filter(({ key }) => key !== null && /^customer-0000[01]/.test(key.toString()));
      left += records.length - wanted.length;
      assert.deepEqual(found.get(partition)!.map(content), wanted.map(content));
    }
    assert.ok(left > 0 && restoredRecords(summary) > 0);
    assert.deepEqual(droppedRecords(summary), { filtered: left });
  });
});

/** Records without a key, numbered within their partition. */
function unkeyed(partition: number, round: number): RecordToSend[] {
  return Array.from({ length: UNKEYED / CODECS.length }, (_, index) => ({
    key: null,
    value: `no key ${partition} ${round * UNKEYED + index}`,
    timestampMs: T0 + index,
  }));
}

/** What of a record no restore may change. */
function content({ timestampMs, key, value }: ListedRecord): string {
  return `${timestampMs} ${key?.toString('base64') ?? 'null'} ${value?.toString('base64') ?? 'null'}`;
}

/** By key, and by source partition for records without one, their content in order: the streams whose order a restore keeps. */
function streams(topic: ReadonlyMap<number, readonly ListedRecord[]>, sources: number): Map<string, string[]> {
  const streams = new Map<string, string[]>();
  for (const record of [...topic.values()].flat()) {
    const unkeyedSource = record.key === null ? Number(record.value!.toString().split(' ')[2]) % sources : -1;
    const name = record.key?.toString('hex') ?? `no key ${unkeyedSource}`;
    const stream = streams.get(name) ?? [];
    stream.push(
      `${content(record)} ${JSON.stringify(record.headers.map(({ key, value }) => [key, value?.toString()]))}`,
    );
    streams.set(name, stream);
  }
  return new Map([...streams].sort(([a], [b]) => (a < b ? -1 : 1)));
}
