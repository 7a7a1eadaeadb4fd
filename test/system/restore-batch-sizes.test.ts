// Batches that are smaller than the target's max.message.bytes as they are sent, and larger as its broker would write them: a topic
// with a compression.type of its own has every batch expanded and compressed anew. Only a record that alone is too large keeps a
// topic from being restored; of one that came uncompressed and alone in its batch, that is known before anything is written.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assertExit } from '../support/agent-workspace.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import type { KafkaProbe, RecordToSend } from '../support/kafka-probe.ts';
import { randomNumbers } from '../support/random-numbers.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const NOISE_BATCHES = 20;
const NOISE_RECORDS = 19;
const NOISE_BYTES = 2500;
/** A record takes 2,509 bytes, and room for 13 more is kept: so 19 records fill a batch to 13 bytes. */
const NOISE_LIMIT = 61 + NOISE_RECORDS * 2509 + 13;
const T0 = 1_700_000_000_000;
/** More than the compressed batches of the source, less than what is in them. */
const SMALL_LIMIT = 100_000;
const LARGE_LIMIT = 50_000;
/** Brokers take none that is smaller. */
const SMALL_SEGMENT = 1024 * 1024;

describe('batches that the target’s broker compresses anew', { timeout: 240_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic('noise');
    const random = randomNumbers(7);
    for (let batch = 0; batch < NOISE_BATCHES; batch += 1) await probe.produceRecords('noise', 0, noise(random));
    await probe.createTopic('packed');
    await probe.produce('packed', { records: 20_000, codec: 'zstd', batchSize: 60_000, lingerMs: 200 });
    await probe.createTopic('large', { config: { 'max.message.bytes': LARGE_LIMIT } });
    await probe.produceRecords('large', 0, [{ value: Buffer.from('small'), timestampMs: T0 }]);
    await probe.produceRecords('large', 0, [{ value: Buffer.alloc(2000, 'large'), timestampMs: T0 + 1 }]);
    const spec = { backupId: 'sizes', topics: ['noise', 'packed', 'large'], backup: { recompress: 'never' } };
    assertExit(await system.workspace.backup(spec), 0);
  });

  after(() => system?.stop());

  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd']) {
    it(`fit although ${codec} makes random records larger`, async () => {
      const target = `noise-${codec}`;
      const topic_configs = { [target]: { 'compression.type': codec, 'max.message.bytes': String(NOISE_LIMIT) } };
      const restore = { produce_batch_size: NOISE_BATCHES * NOISE_RECORDS, topic_configs };
      assertExit(await system.workspace.restore({ backupId: 'sizes', topics: { noise: target }, restore }), 0);
      await assertSameRecords({ probe, topic: 'noise' }, { probe, topic: target });
    });
  }

  for (const type of ['uncompressed', 'gzip']) {
    it(`are divided where what is in them is larger than a topic with compression.type=${type} takes`, async () => {
      const target = `packed-${type}`;
      await probe.createTopic(target, { config: { 'compression.type': type, 'max.message.bytes': SMALL_LIMIT } });
      assertExit(await system.workspace.restore({ backupId: 'sizes', topics: { packed: target } }), 0);
      await assertSameRecords({ probe, topic: 'packed' }, { probe, topic: target });
    });
  }

  it('fit into the segments of a log that are smaller than the batches that are asked for', async () => {
    const config = { 'segment.bytes': SMALL_SEGMENT, 'max.message.bytes': 4 * SMALL_SEGMENT };
    await probe.createTopic('packed-rolled', { config });
    const restore = { batch_size_bytes: '4MiB', produce_batch_size: 20_000, compression: 'none' };
    assertExit(await system.workspace.restore({ backupId: 'sizes', topics: { packed: 'packed-rolled' }, restore }), 0);
    await assertSameRecords({ probe, topic: 'packed' }, { probe, topic: 'packed-rolled' });
  });

  it('are refused beforehand where one record alone is too large, until the topic takes it or it is not asked for', async () => {
    const restore = (args: readonly string[], settings: Record<string, unknown> = {}) =>
      system.workspace.restore({ backupId: 'sizes', topics: { large: 'large-copy' }, restore: settings, args });
    const { 'max.message.bytes': limit } = (await probe.describeTopic('large')).configs;
    assert.equal(limit, String(LARGE_LIMIT));
    const lowered = { topic_configs: { 'large-copy': { 'max.message.bytes': '1500' } } };
    const blocked = await restore([], lowered);
    assertExit(blocked, 4);
    const [, needed] = /alone makes a batch of (\d+) bytes, large-copy takes 1500; .* makes room for it/.exec(
      blocked.failure?.message ?? '',
    )!;
    await assert.rejects(probe.describeTopic('large-copy'), /UnknownTopicOrPartition/);
    const before = ['--to', new Date(T0).toISOString()];
    assertExit(await restore([...before, '--dry-run'], lowered), 0);
    const enough = { topic_configs: { 'large-copy': { 'max.message.bytes': needed } } };
    assertExit(await restore([], enough), 0);
    await assertSameRecords({ probe, topic: 'large' }, { probe, topic: 'large-copy' });
  });
});

function noise(random: () => number): RecordToSend[] {
  return Array.from({ length: NOISE_RECORDS }, () => ({
    value: Uint8Array.from({ length: NOISE_BYTES }, () => Math.floor(random() * 256)),
    timestampMs: T0,
  }));
}
