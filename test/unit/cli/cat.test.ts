import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import type { SegmentSummary } from '../../../src/model/segment/segment.ts';
import { FilesystemObjectStore } from '../../../src/storage/filesystem/filesystem-object-store.ts';
import { encodeBatch, encodeMarker, text } from '../../support/record-batches.ts';
import { jsonBatch, startWorkers, T0, TestBackup, TOPIC_ID } from '../../support/stored-backup.ts';
import { type CommandRun, linesOf, removeDirectory, runCommand, temporaryDirectory } from './command-line.ts';

const SECOND_ID = 'AAAAAAAAAAAAAAAAAAAAAg';
const PRODUCER_ID = 9_007_199_254_740_993n;

let workers: WorkerPool;
let directory: string;
let backup: TestBackup;
before(async () => {
  workers = startWorkers(1);
  directory = await temporaryDirectory();
  backup = await TestBackup.create(new FilesystemObjectStore(directory), workers);
});
after(async () => {
  await workers.close();
  await removeDirectory(directory);
});

function cat(place: string, args: readonly string[] = [], run: CommandRun = {}) {
  return runCommand(['cat', place, '--path', directory, '--backup-id', 'b', ...args], run);
}

/** Offsets on stdout. */
async function offsets(place: string, ...args: string[]): Promise<number[]> {
  const result = await cat(place, args);
  assert.equal(result.exitCode, 0, result.stderr);
  return linesOf(result).map(({ offset }) => Number(offset));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

let nextTopic = 0;

/** A topic of its own for a test: segments of frames of batches. */
async function topicOf(...segments: readonly (readonly (readonly Uint8Array[])[])[]): Promise<string> {
  nextTopic += 1;
  const topic = `topic-${nextTopic}`;
  await backup.observe(2, { topic });
  for (const frames of segments) {
    await backup.commit({ kind: 'segment', segment: await backup.segment(frames, { topic }) });
  }
  return topic;
}

describe('cat shows a record', () => {
  test('as text where it is UTF-8, as base64 where it is not, and null as null', async () => {
    const records = [
      {
        timestampMs: T0,
        key: text('kéy'),
        value: Buffer.from([0xff, 0xfe]),
        headers: [
          { key: text('h'), value: null },
          { key: Buffer.from([0xc3]), value: text('') },
        ],
      },
      { timestampMs: T0 + 1, key: null, value: null },
      { timestampMs: T0 + 2, key: text(''), value: text('\ufeffa\nb\u009b\u202e"\\') },
    ];
    const topic = await topicOf([[encodeBatch({ baseOffset: 4n, records })]]);
    const result = await cat(`${topic}/0`);
    const common = { topic, partition: 0, timestamp_type: 'CreateTime' };
    assert.deepEqual(linesOf(result), [
      {
        ...common,
        offset: '4',
        timestamp: T0,
        key: 'kéy',
        value: { base64: '//4=' },
        headers: [
          { key: 'h', value: null },
          { key: { base64: 'ww==' }, value: '' },
        ],
      },
      { ...common, offset: '5', timestamp: T0 + 1, key: null, value: null, headers: [] },
      { ...common, offset: '6', timestamp: T0 + 2, key: '', value: '\ufeffa\nb\u009b\u202e"\\', headers: [] },
    ]);
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(result.stdout, /[\u0000-\u0009\u007f-\u009f\u202e]/);
  });

  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`that its producer compressed with ${codec}`, async () => {
      const topic = await topicOf([[jsonBatch(0n, 20, { codec })]]);
      assert.deepEqual(await offsets(`${topic}/0`), range(0, 19));
    });
  }

  test('with the time of the broker, and with times that no number holds', async () => {
    const nanos = 1_700_000_000_000_000_001n;
    const odd = encodeBatch({ baseOffset: 1n, records: [{ timestampMs: 0, key: null, value: null }] });
    odd.writeBigInt64BE(nanos, 27);
    odd.writeBigInt64BE(nanos, 35);
    const { sealCrc } = await import('../../support/record-batches.ts');
    const topic = await topicOf([[jsonBatch(0n, 1, { logAppendTimeMs: T0 + 5 }), sealCrc(odd)]]);
    const seen = linesOf(await cat(`${topic}/0`)).map(({ timestamp, timestamp_type }) => [timestamp, timestamp_type]);
    assert.deepEqual(seen, [
      [T0 + 5, 'LogAppendTime'],
      [String(nanos), 'CreateTime'],
    ]);
  });

  test('of a transaction with its producer, whatever became of it, and its end only when asked', async () => {
    const transactional = jsonBatch(0n, 2, { producerId: PRODUCER_ID, transactional: true });
    const marker = encodeMarker({ baseOffset: 2n, producerId: PRODUCER_ID, outcome: 'abort', timestampMs: T0 });
    const topic = await topicOf([[transactional, marker, jsonBatch(3n, 1)]]);
    const seen = linesOf(await cat(`${topic}/0`)).map(({ offset, transaction }) => [offset, transaction]);
    assert.deepEqual(seen, [
      ['0', String(PRODUCER_ID)],
      ['1', String(PRODUCER_ID)],
      ['3', undefined],
    ]);
    const [, , end] = linesOf(await cat(`${topic}/0`, ['--control']));
    assert.deepEqual([end.offset, end.control, end.transaction], ['2', 'abort', String(PRODUCER_ID)]);
  });
});

describe('cat takes a range', () => {
  test('of offsets, both inclusive, across frames and segments', async () => {
    const topic = await topicOf([[jsonBatch(0n, 5), jsonBatch(5n, 5)], [jsonBatch(10n, 5)]], [[jsonBatch(15n, 5)]]);
    assert.deepEqual(await offsets(`${topic}/0`), range(0, 19));
    assert.deepEqual(await offsets(`${topic}/0`, '--from', '3', '--to', '16'), range(3, 16));
    assert.deepEqual(await offsets(`${topic}/0`, '--from', '19'), [19]);
    assert.deepEqual(await offsets(`${topic}/0`, '--to', '0'), [0]);
    assert.deepEqual(await offsets(`${topic}/0`, '--to', '999999'), range(0, 19));
    assert.deepEqual(await offsets(`${topic}/0`, '--from', '7', '--limit', '6'), range(7, 12));
  });

  test('of instants, both inclusive', async () => {
    const topic = await topicOf([[jsonBatch(0n, 5)], [jsonBatch(5n, 5)], [jsonBatch(10n, 5)]]);
    assert.deepEqual(
      await offsets(`${topic}/0`, '--from-time', String(T0 + 3), '--to-time', String(T0 + 11)),
      range(3, 11),
    );
    assert.deepEqual(await offsets(`${topic}/0`, '--from-time', new Date(T0 + 14).toISOString()), [14]);
    assert.deepEqual(await offsets(`${topic}/0`, '--from-time', '-1h'), []);
  });

  test('of the newest timeline only', async () => {
    const topic = await topicOf([[jsonBatch(0n, 5), jsonBatch(5n, 5)]]);
    const identity = { topic, topicId: TOPIC_ID, partition: 0 };
    await backup.commit({
      kind: 'truncation',
      truncation: { ...identity, endOffset: 5n, timeline: 1, detectedAtMs: T0 },
    });
    await backup.add([jsonBatch(5n, 2)], { topic, timeline: 1 });
    assert.deepEqual(await offsets(`${topic}/0`), range(0, 6));
    const raw = await cat(`${topic}/0`, ['--raw']);
    assert.ok(Buffer.concat([jsonBatch(0n, 5), jsonBatch(5n, 2)]).equals(raw.output));
  });

  test('of the newest life of a topic, or of the one that is named', async () => {
    const topic = await topicOf([[jsonBatch(0n, 5)]]);
    await backup.observe(1, { topic, topicId: SECOND_ID });
    await backup.add([jsonBatch(0n, 2)], { topic, topicId: SECOND_ID });
    assert.deepEqual(await offsets(`${topic}/0`), [0, 1]);
    assert.deepEqual(await offsets(`${topic}/0`, '--topic-id', TOPIC_ID), range(0, 4));
  });

  test('and says what of it is a gap', async () => {
    const topic = await topicOf([[jsonBatch(0n, 2)]]);
    const gap = {
      topic,
      topicId: TOPIC_ID,
      partition: 0,
      baseOffset: 2n,
      lastOffset: 7n,
      reason: 'delete-records' as const,
      detectedAtMs: T0,
      timeline: 0,
    };
    await backup.commit({ kind: 'gap', gap });
    await backup.add([jsonBatch(8n, 2)], { topic });
    const result = await cat(`${topic}/0`, ['--from', '4']);
    assert.deepEqual(
      linesOf(result).map(({ offset }) => offset),
      ['8', '9'],
    );
    assert.match(result.stderr, /offsets 2\.\.7 of .* are a gap \(delete-records\)/);
    assert.equal((await cat(`${topic}/0`, ['--from', '8'])).stderr, '');
  });

  test('and nothing of a partition that was never written', async () => {
    const topic = await topicOf();
    assert.deepEqual(await offsets(`${topic}/1`), []);
  });
});

describe('cat --raw', () => {
  test('gives the bare log, byte for byte, for every codec of the segments', async () => {
    const batches = [jsonBatch(0n, 5, { codec: 'snappy' }), jsonBatch(5n, 5), jsonBatch(10n, 5)];
    for (const codec of ['zstd', 'lz4', 'none'] as const) {
      nextTopic += 1;
      const topic = `topic-${nextTopic}`;
      const segment = await backup.segment([batches.slice(0, 2), batches.slice(2)], { topic, codec });
      await backup.commit({ kind: 'segment', segment });
      assert.ok(Buffer.concat(batches).equals((await cat(`${topic}/0`, ['--raw'])).output));
      assert.ok(batches[1]!.equals((await cat(`${topic}/0`, ['--raw', '--from', '6', '--to', '8'])).output));
      assert.ok(Buffer.concat(batches.slice(0, 2)).equals((await cat(`${topic}/0`, ['--raw', '--limit', '6'])).output));
    }
  });
});

describe('cat refuses', () => {
  const wrong: readonly [name: string, args: (topic: string) => string[], exitCode: number, message: RegExp][] = [
    ['a place without a partition', (topic) => [topic], 2, /write TOPIC\/PARTITION/],
    ['a partition that is no number', (topic) => [`${topic}/x`], 2, /partition "x" of topic-\d+ is not a number/],
    ['a name that no topic has', () => ['a b/0'], 2, /not the name of a topic/],
    ['a topic that was not backed up', () => ['nope/0'], 10, /holds no topic nope; it holds/],
    ['a partition that the topic never had', (topic) => [`${topic}/2`], 10, /has no partition 2; it has 2/],
    ['a life that was not backed up', (topic) => [`${topic}/0`, '--topic-id', 'x'], 10, /there is AAAA/],
    ['an offset that is no number', (topic) => [`${topic}/0`, '--from', '-1'], 2, /argument missing|not an offset/],
    [
      'a range the wrong way round',
      (topic) => [`${topic}/0`, '--from', '4', '--to', '3'],
      2,
      /--to 3 is before --from 4/,
    ],
    [
      'times the wrong way round',
      (topic) => [`${topic}/0`, '--from-time', '5', '--to-time', '4'],
      2,
      /--to-time 4 is before/,
    ],
    [
      'an offset beyond the end',
      (topic) => [`${topic}/0`, '--from', '5'],
      2,
      /offset 5 is beyond the end of topic-\d+\/0, which is held from 0 to 4/,
    ],
    ['no records at all', (topic) => [`${topic}/0`, '--limit', '0'], 2, /--limit "0" is not a number from 1 on/],
    ['raw bytes by time', (topic) => [`${topic}/0`, '--raw', '--to-time', '5'], 2, /whole batches/],
    ['an instant that is none', (topic) => [`${topic}/0`, '--to-time', 'noon'], 2, /not an instant/],
  ];
  for (const [name, args, exitCode, message] of wrong) {
    test(name, async () => {
      const topic = await topicOf([[jsonBatch(0n, 5)]]);
      const [place = '', ...rest] = args(topic);
      const result = await cat(place, rest);
      assert.deepEqual([result.exitCode, result.stdout], [exitCode, ''], result.stderr);
      assert.match(result.stderr, message);
    });
  }

  test('bytes that are damaged, after those that are not', async () => {
    const topic = await topicOf();
    const segment: SegmentSummary = await backup.segment([[jsonBatch(0n, 5)], [jsonBatch(5n, 5)]], {
      topic,
      codec: 'none',
    });
    await backup.commit({ kind: 'segment', segment });
    await backup.change(segment.key, (bytes) => bytes.fill(0xff, segment.rawSizeBytes - 5, segment.rawSizeBytes));
    const result = await cat(`${topic}/0`);
    assert.equal(result.exitCode, 13);
    assert.match(result.stderr, /frame 5\.\.9 of .* is not what was written\nhint: Run validate --deep/);
    assert.deepEqual(await offsets(`${topic}/0`, '--to', '4'), range(0, 4));
  });
});

describe('cat of much', () => {
  test('waits for a slow reader and stops when it is told', async () => {
    const value = text('x'.repeat(10_000));
    const batch = (baseOffset: bigint): Uint8Array =>
      encodeBatch({ baseOffset, records: range(0, 19).map(() => ({ timestampMs: T0, key: null, value })) });
    const topic = await topicOf([[batch(0n)], [batch(20n)], [batch(40n)]]);
    let pending = 0;
    let most = 0;
    const onBytes = async (): Promise<void> => {
      pending += 1;
      most = Math.max(most, pending);
      await setTimeout(2);
      pending -= 1;
    };
    const all = await cat(`${topic}/0`, [], { onBytes });
    assert.deepEqual([linesOf(all).length, most], [60, 1]);
    const stop = new AbortController();
    const stopped = await cat(`${topic}/0`, [], { stop: stop.signal, onBytes: async () => stop.abort() });
    assert.equal(stopped.exitCode, 130);
    assert.ok(stopped.stdout.length > 0 && stopped.stdout.length < all.stdout.length);
  });
});

describe('cat reads', () => {
  test('only the footers and frames that it needs', async () => {
    const reads: string[] = [];
    class CountingStore extends FilesystemObjectStore {
      override get(...args: Parameters<FilesystemObjectStore['get']>): Promise<Uint8Array | undefined> {
        if (args[0].includes('/data/')) reads.push(args[0]);
        return super.get(...args);
      }
    }
    const topic = await topicOf([[jsonBatch(0n, 5)], [jsonBatch(5n, 5)], [jsonBatch(10n, 5)]], [[jsonBatch(15n, 5)]]);
    const { PartitionExcerpt } = await import('../../../src/inspection/partition-excerpt.ts');
    const { openStoredBackup } = await import('../../../src/inspection/stored-backup.ts');
    const store = new CountingStore(directory);
    const opened = await openStoredBackup(store, backup.layout, topic);
    const all = { fromOffset: undefined, lastOffset: undefined, fromMs: undefined, toMs: undefined };
    for (const wanted of [
      { ...all, fromOffset: 6n, lastOffset: 7n },
      { ...all, fromMs: T0 + 6, toMs: T0 + 7 },
    ]) {
      reads.length = 0;
      const excerpt = PartitionExcerpt.open(opened, { topic, partition: 0 }, undefined, wanted);
      const frames: number[] = [];
      for await (const { batches } of excerpt.frames(store)) frames.push(batches.length);
      assert.deepEqual([frames, reads.length], [[1], 2]);
    }
  });
});
