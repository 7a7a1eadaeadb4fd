import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../src/compression/worker-pool.ts';
import { BackupError } from '../../../src/model/errors.ts';
import type { SegmentFooter, SegmentSummary } from '../../../src/model/segment/segment.ts';
import { readFooter } from '../../../src/segment/segment-reader.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { type ValidationDepth, type ValidationReport, ValidationRun } from '../../../src/validation/validation-run.ts';
import { encodeMarker } from '../../support/record-batches.ts';
import { changeJson } from '../../support/sealed-json.ts';
import { jsonBatch, startWorkers, T0, TestBackup, TOPIC_ID } from '../../support/stored-backup.ts';

let workers: WorkerPool;
before(() => {
  workers = startWorkers();
});
after(() => workers.close());

function validate(
  backup: TestBackup,
  depth: ValidationDepth,
  signal = new AbortController().signal,
): Promise<ValidationReport> {
  const { store, layout } = backup;
  return new ValidationRun({ store, layout, depth, workers, sample: null, signal }).run();
}

const quick = (backup: TestBackup): Promise<ValidationReport> => validate(backup, 'quick');
const deep = (backup: TestBackup): Promise<ValidationReport> => validate(backup, 'deep');

/** Exactly one problem that matches, and the verdict with it. */
function assertOneProblem({ isValid, problems, problemCount }: ValidationReport, code: string, message: RegExp): void {
  assert.deepEqual([isValid, problemCount], [false, 1], problems.map((problem) => problem.message).join('\n'));
  assert.equal(problems[0]!.code, code);
  assert.match(problems[0]!.message, message);
}

function newBackup(): Promise<TestBackup> {
  return TestBackup.create(new MemoryObjectStore(), workers);
}

/** Three segments of one partition, in three commits. */
async function threeSegments(): Promise<{
  backup: TestBackup;
  segments: [SegmentSummary, SegmentSummary, SegmentSummary];
}> {
  const backup = await newBackup();
  await backup.observe();
  const first = await backup.add([jsonBatch(0n, 5)]);
  const second = await backup.add([jsonBatch(5n, 5)]);
  const third = await backup.add([jsonBatch(10n, 5)]);
  return { backup, segments: [first, second, third] };
}

describe('a sound backup is valid', () => {
  for (const codec of ['zstd', 'lz4', 'none'] as const) {
    test(`with codec ${codec}, several frames, transactions and expanded batches`, async () => {
      const backup = await newBackup();
      await backup.observe();
      const transactional = (baseOffset: bigint, producerId: bigint): Buffer =>
        jsonBatch(baseOffset, 2, { producerId, transactional: true, codec: 'gzip', leaderEpoch: Number(producerId) });
      const frames = [
        [jsonBatch(3n, 4), transactional(7n, 7n)],
        [transactional(9n, 8n), transactional(11n, 7n)],
        [encodeMarker({ baseOffset: 13n, producerId: 7n, outcome: 'commit', timestampMs: T0 }), transactional(14n, 7n)],
        [encodeMarker({ baseOffset: 16n, producerId: 8n, outcome: 'abort', timestampMs: T0 })],
        [jsonBatch(20n, 3, { codec: 'snappy', logAppendTimeMs: T0 + 99 })],
      ];
      for (const expansion of ['never', 'always'] as const) {
        const partition = expansion === 'never' ? 0 : 1;
        const segment = await backup.segment(frames, { codec, expansion, partition, baseOffset: 0n, nextOffset: 30n });
        await backup.commit({ kind: 'segment', segment });
      }
      const report = await deep(backup);
      assert.deepEqual(report.problems, []);
      const { isValid, segments, records, partitions, bytesRead, orphans } = report;
      assert.deepEqual([isValid, segments, records, partitions, orphans.count], [true, 2, 34, 2, 0]);
      assert.ok(bytesRead > 0);
      assert.equal((await quick(backup)).bytesRead, 0);
    });
  }

  test('with gaps, a truncation, a removed segment, a second life of the topic and a checkpoint', async () => {
    const backup = await newBackup();
    await backup.observe();
    const first = await backup.add([jsonBatch(0n, 5)]);
    const identity = { topic: 'orders', topicId: TOPIC_ID, partition: 0 };
    const gap = {
      ...identity,
      baseOffset: 5n,
      lastOffset: 9n,
      reason: 'retention' as const,
      detectedAtMs: T0,
      timeline: 0,
    };
    await backup.commit({ kind: 'gap', gap });
    await backup.checkpoint();
    await backup.add([jsonBatch(10n, 5)]);
    await backup.commit({
      kind: 'truncation',
      truncation: { ...identity, endOffset: 12n, timeline: 1, detectedAtMs: T0 },
    });
    await backup.add([jsonBatch(12n, 5)], { timeline: 1 });
    await backup.observe(1, { topicId: 'AAAAAAAAAAAAAAAAAAAAAg' });
    await backup.add([jsonBatch(100n, 1)], { topicId: 'AAAAAAAAAAAAAAAAAAAAAg' });
    await backup.commit({ kind: 'remove', key: first.key, partition: identity });
    await backup.store.delete(first.key);
    await backup.checkpoint();
    const report = await deep(backup);
    assert.deepEqual(report.problems, []);
    assert.deepEqual([report.gaps, report.gapOffsets, report.segments], [1, 5n, 3]);
    assert.equal(report.checkpointVersion, report.catalogVersion);
  });

  test('without anything committed', async () => {
    const report = await deep(await newBackup());
    assert.deepEqual([report.isValid, report.commits, report.checkpointVersion], [true, 0, null]);
  });

  test('with orphans, which are counted and named', async () => {
    const { backup } = await threeSegments();
    const orphan = await backup.segment([[jsonBatch(15n, 5)]]);
    const { isValid, orphans } = await quick(backup);
    assert.deepEqual([isValid, orphans.count, orphans.sizeBytes], [true, 1, orphan.storedSizeBytes]);
    assert.equal(orphans.objects[0]!.key, orphan.key);
  });
});

describe('an object that is damaged', () => {
  test('by one changed byte, whichever it is, makes the backup invalid', async () => {
    const { backup, segments } = await threeSegments();
    const [, { key, storedSizeBytes, footerSizeBytes }] = segments;
    const flip = (at: number): Promise<void> =>
      backup.change(key, (bytes) => {
        bytes[at]! ^= 0x10;
        return bytes;
      });
    for (let at = 0; at < storedSizeBytes; at += 7) {
      await flip(at);
      const isInFooter = at >= storedSizeBytes - footerSizeBytes;
      assertOneProblem(
        await deep(backup),
        'OBJECT_CORRUPT',
        isInFooter ? /the footer of/ : /frame 5\.\.9 of .*its bytes/,
      );
      assert.equal((await quick(backup)).isValid, !isInFooter);
      await flip(at);
    }
    assert.equal((await deep(backup)).isValid, true);
  });

  test('is named with its partition and its first offset', async () => {
    const { backup, segments } = await threeSegments();
    await backup.change(segments[1].key, (bytes) => bytes.fill(0xff, 20, 24));
    const { problems } = await deep(backup);
    const { key, topic, partition, offset } = problems[0]!;
    assert.deepEqual(
      { key, topic, partition, offset },
      { key: segments[1].key, topic: 'orders', partition: 0, offset: 5n },
    );
  });

  test('because it was cut, or grew, is found by its size', async () => {
    const { backup, segments } = await threeSegments();
    await backup.change(segments[1].key, (bytes) => bytes.subarray(0, -1));
    assertOneProblem(await quick(backup), 'OBJECT_CORRUPT', /has \d+ bytes instead of \d+/);
    await backup.change(segments[1].key, (bytes) => Buffer.concat([bytes, Buffer.alloc(2)]));
    assertOneProblem(await deep(backup), 'OBJECT_CORRUPT', /has \d+ bytes instead of \d+/);
  });

  test('because it is gone is found', async () => {
    const { backup, segments } = await threeSegments();
    await backup.change(segments[2].key, () => undefined);
    assertOneProblem(await quick(backup), 'OBJECT_MISSING', /is not in the store/);
  });

  test('because two were exchanged is found, for both', async () => {
    const { backup, segments } = await threeSegments();
    const [a, b] = [await backup.bytes(segments[1].key), await backup.bytes(segments[2].key)];
    await backup.change(segments[1].key, () => b);
    await backup.change(segments[2].key, () => a);
    const { problems } = await quick(backup);
    assert.deepEqual(new Set(problems.map(({ key }) => key)), new Set([segments[1].key, segments[2].key]));
  });

  test('does not hide another one', async () => {
    const { backup, segments } = await threeSegments();
    await backup.change(segments[0].key, () => undefined);
    await backup.change(segments[1].key, (bytes) => bytes.fill(0, 0, 10));
    await backup.change(segments[2].key, (bytes) => bytes.fill(0, bytes.byteLength - 3));
    assert.equal((await deep(backup)).problemCount, 3);
  });
});

describe('a catalog that is damaged', () => {
  const cases: readonly [
    name: string,
    version: number,
    edit: (bytes: Buffer) => Uint8Array | undefined,
    message: RegExp,
  ][] = [
    ['a commit missing at the start', 1, () => undefined, /commit 1 is missing/],
    [
      'a commit changed in one space',
      2,
      (bytes) => Buffer.concat([bytes, Buffer.from(' ')]),
      /commit 3 does not follow commit 2/,
    ],
    [
      'a first commit that claims a predecessor',
      1,
      (bytes) => changeJson(bytes, (commit) => ({ ...commit, previousSha256: 'ab' })),
      /commit 1 does not follow commit 0/,
    ],
    ['a last commit that is no JSON', 4, (bytes) => bytes.subarray(0, -10), /is not JSON/],
  ];
  for (const [name, version, edit, message] of cases) {
    test(`by ${name} is found`, async () => {
      const { backup } = await threeSegments();
      await backup.change(backup.layout.commit(version), edit);
      const { isValid, problems } = await quick(backup);
      assert.equal(isValid, false);
      assert.ok(problems.some((problem) => problem.code === 'CATALOG_CORRUPT' && message.test(problem.message)));
    });
  }

  test('by a commit missing in the middle is read on, and shows what it had held', async () => {
    const { backup, segments } = await threeSegments();
    await backup.change(backup.layout.commit(3), () => undefined);
    const { problems, orphans, segments: count } = await quick(backup);
    assert.deepEqual(
      problems.map((problem) => problem.message),
      [
        'commit 3 is missing from the catalog',
        'orders/0, commit 4: offsets 5 to 9 are neither stored nor declared as a gap',
      ],
    );
    assert.deepEqual([count, orphans.objects[0]!.key], [2, segments[1].key]);
  });

  test('by commits missing at its end is found by the checkpoint', async () => {
    const { backup } = await threeSegments();
    await backup.checkpoint();
    await backup.change(backup.layout.commit(4), () => undefined);
    const { problems } = await quick(backup);
    assert.match(problems[0]!.message, /the checkpoint .* is of version 4, but the log ends at 3/);
  });

  test('by a segment that begins behind a hole is found, with the offsets', async () => {
    const { backup } = await threeSegments();
    await backup.forceCommit({ kind: 'segment', segment: await backup.segment([[jsonBatch(20n, 5)]]) });
    const report = await quick(backup);
    assertOneProblem(report, 'CATALOG_CORRUPT', /offsets 15 to 19 are neither stored nor declared/);
    assert.equal(report.problems[0]!.offset, 15n);
  });

  test('by segments or gaps that overlap is found', async () => {
    const { backup } = await threeSegments();
    const segment = await backup.segment([[jsonBatch(12n, 5)]]);
    const identity = { topic: 'orders', topicId: TOPIC_ID, partition: 0 };
    const gap = {
      ...identity,
      baseOffset: 16n,
      lastOffset: 18n,
      reason: 'unknown' as const,
      detectedAtMs: T0,
      timeline: 0,
    };
    await backup.forceCommit({ kind: 'segment', segment }, { kind: 'gap', gap });
    const { problems } = await quick(backup);
    assert.match(problems[0]!.message, /a segment from offset 12 overlaps what is stored up to 14/);
    assert.match(problems[1]!.message, /a gap from offset 16 overlaps what is stored up to 16/);
  });

  test('by a timeline out of its turn, a key named twice, or one of another backup is found', async () => {
    const { backup, segments } = await threeSegments();
    const identity = { topic: 'orders', topicId: TOPIC_ID, partition: 0 };
    await backup.forceCommit(
      { kind: 'segment', segment: segments[2] },
      { kind: 'segment', segment: { ...segments[2], key: 'other/data/x' } },
      { kind: 'remove', key: 'b/data/unknown', partition: identity },
      { kind: 'truncation', truncation: { ...identity, endOffset: 99n, timeline: 1, detectedAtMs: T0 } },
      { kind: 'truncation', truncation: { ...identity, endOffset: 3n, timeline: 3, detectedAtMs: T0 } },
      { kind: 'segment', segment: await backup.segment([[jsonBatch(3n, 5)]], { timeline: 2 }) },
    );
    const { problems } = await quick(backup);
    const expected = [
      /committed before/,
      /not data of this backup/,
      /removes .* not committed/,
      /cut at offset 99/,
      /timeline 3 follows/,
      /a segment of timeline 2 follows timeline 3/,
    ];
    assert.deepEqual(
      problems.map(({ message }, index) => expected[index]!.test(message)),
      expected.map(() => true),
    );
  });

  test('by a checkpoint that tells another story is found', async () => {
    const { backup } = await threeSegments();
    await backup.checkpoint();
    const other = await newBackup();
    await other.observe();
    await other.add([jsonBatch(0n, 5)]);
    await other.add([jsonBatch(5n, 6)]);
    await other.add([jsonBatch(11n, 5)]);
    await other.checkpoint();
    for await (const { key } of other.store.list(other.layout.checkpointPrefix)) {
      await backup.store.delete(key);
      await backup.store.putIfAbsent(key, [await other.bytes(key)]);
    }
    const { problems } = await quick(backup);
    assert.match(problems[0]!.message, /another commit 4 than the log/);
    assert.match(problems[1]!.message, /another history of orders/);
  });

  test('by a checkpoint that cannot be read is found, and the one before is held against the log', async () => {
    const { backup } = await threeSegments();
    await backup.checkpoint();
    await backup.add([jsonBatch(15n, 1)]);
    await backup.checkpoint();
    await backup.change(backup.layout.checkpoint(5), (bytes) => bytes.fill(0, 0, 4));
    const report = await quick(backup);
    assertOneProblem(report, 'CATALOG_CORRUPT', /does not decompress/);
    assert.equal(report.checkpointVersion, 4);
  });

  test('by an identity that is missing, or of another backup, is found', async () => {
    const { backup } = await threeSegments();
    await backup.change(backup.layout.identity, (bytes) =>
      changeJson(bytes, (identity) => ({ ...identity, backupId: 'c' })),
    );
    assertOneProblem(await quick(backup), 'CATALOG_CORRUPT', /is the identity of "c"/);
    await backup.change(backup.layout.identity, () => undefined);
    assertOneProblem(await quick(backup), 'CATALOG_CORRUPT', /is missing, though there is a catalog/);
  });
});

describe('a lie that damages no byte', () => {
  test('of the catalog about its footer is found without reading the body', async () => {
    const backup = await newBackup();
    const segment = await backup.segment([[jsonBatch(0n, 5)]]);
    await backup.commit({ kind: 'segment', segment: { ...segment, recordCount: 6 } });
    assertOneProblem(await quick(backup), 'OBJECT_CORRUPT', /recordCount is 5 in the footer, 6 in the catalog/);
    // Nor does whoever restores or prints records believe it.
    const lie = { ...segment, isTransactional: true };
    await assert.rejects(readFooter(backup.store, lie), {
      code: 'OBJECT_CORRUPT',
      message: /is not as the catalog describes it: isTransactional is false in the footer, true in the catalog/,
    });
  });

  test('of the footer about its own frames is found without reading the body', async () => {
    const backup = await newBackup();
    const segment = await backup.segment([[jsonBatch(0n, 5)]]);
    const forged = await backup.forge(segment, (footer) => ({
      ...footer,
      description: { ...footer.description, recordCount: 6 },
    }));
    await backup.commit({ kind: 'segment', segment: forged });
    assertOneProblem(await quick(backup), 'OBJECT_CORRUPT', /record count is 5, the footer says 6/);
  });

  test('of the catalog about the hash of the object is found without reading the body', async () => {
    const backup = await newBackup();
    const segment = await backup.segment([[jsonBatch(0n, 5)]]);
    await backup.commit({ kind: 'segment', segment: { ...segment, footerSha256: 'ab'.repeat(32) } });
    assertOneProblem(await quick(backup), 'OBJECT_CORRUPT', /the footer of .* is not what was committed/);
  });

  test('of the footer about how far its frames reach is found without reading the body', async () => {
    const backup = await newBackup();
    await backup.add([jsonBatch(0n, 5)], { nextOffset: 3n });
    assertOneProblem(await quick(backup), 'OBJECT_CORRUPT', /its frames reach beyond 0 to before 3/);
  });

  test('of the footer about its producers\u2019 codecs, or batches that overlap, is found by decoding the frames', async () => {
    const backup = await newBackup();
    const segment = await backup.segment([[jsonBatch(0n, 5, { codec: 'gzip' })]]);
    const forged = await backup.forge(segment, (footer) => ({ ...footer, producerCodecs: [] }));
    await backup.commit({ kind: 'segment', segment: forged });
    assertOneProblem(await deep(backup), 'OBJECT_CORRUPT', /other codecs/);
    const other = await newBackup();
    await other.add([jsonBatch(0n, 2), jsonBatch(1n, 4)]);
    assertOneProblem(await deep(other), 'OBJECT_CORRUPT', /a batch at 1 follows offset 1/);
  });

  const transactions = { starts: [{ producerId: 7n, firstOffset: 0n, recordCount: 5 }], markers: [] };
  const lies: readonly [what: string, change: (footer: SegmentFooter) => Partial<SegmentFooter>, message: RegExp][] = [
    ['record counts', (footer) => everywhere(footer, { recordCount: 4 }), /record count is 5, the footer says 4/],
    ['timestamps', (footer) => everywhere(footer, { maxTimestampMs: T0 + 77 }), /highest timestamp/],
    [
      'the first offset',
      (footer) => ({ frames: footer.frames.map((frame) => ({ ...frame, baseOffset: 1n })) }),
      /base offset is 0/,
    ],
    [
      'transactions',
      (footer) => ({ transactions, description: { ...footer.description, isTransactional: true } }),
      /other transactions/,
    ],
    ['leader epochs', () => ({ leaderEpochs: [{ epoch: 0, baseOffset: 2n }] }), /other leader epochs/],
    [
      'timestamp types',
      (footer) => ({ description: { ...footer.description, timestampType: 'mixed' } }),
      /other timestamp types/,
    ],
    [
      'hashes of frames',
      (footer) => ({ frames: footer.frames.map((frame) => ({ ...frame, sha256: 'cd'.repeat(32) })) }),
      /not those that were written/,
    ],
  ];
  for (const [what, change, message] of lies) {
    test(`of footer and catalog together about ${what} is found by decoding the frames`, async () => {
      const backup = await newBackup();
      const segment = await backup.segment([[jsonBatch(0n, 5)]]);
      const forged = await backup.forge(segment, (footer) => ({ ...footer, ...change(footer) }));
      await backup.commit({ kind: 'segment', segment: forged });
      assert.deepEqual((await quick(backup)).problems, []);
      const { problems } = await deep(backup);
      assert.ok(
        problems.some((problem) => message.test(problem.message)),
        JSON.stringify(problems.map((one) => one.message)),
      );
    });
  }
});

/** The same lie in the footer's description and in its only frame. */
function everywhere(
  footer: SegmentFooter,
  change: { recordCount?: number; maxTimestampMs?: number },
): Partial<SegmentFooter> {
  return {
    description: { ...footer.description, ...change },
    frames: footer.frames.map((frame) => ({ ...frame, ...change })),
  };
}

describe('a validation', () => {
  test('of what is not there, or of a newer format, gives no verdict', async () => {
    const backup = await newBackup();
    await backup.change(backup.layout.identity, () => undefined);
    await assert.rejects(quick(backup), { code: 'BACKUP_NOT_FOUND' });
    const { backup: newer } = await threeSegments();
    await newer.change(newer.layout.commit(2), (bytes) =>
      changeJson(bytes, (commit) => ({ ...commit, formatVersion: 2 })),
    );
    await assert.rejects(quick(newer), { code: 'FORMAT_TOO_NEW' });
  });

  test('of a store that fails gives no verdict', async () => {
    class AwayStore extends MemoryObjectStore {
      isAway = false;
      override async get(...args: Parameters<MemoryObjectStore['get']>): Promise<Uint8Array | undefined> {
        if (this.isAway && args[0].includes('/data/'))
          throw new BackupError('STORE_UNAVAILABLE', 'the store went away');
        return super.get(...args);
      }
    }
    const store = new AwayStore();
    const backup = await TestBackup.create(store, workers);
    for (let at = 0n; at < 50n; at += 5n) await backup.add([jsonBatch(at, 5)]);
    store.isAway = true;
    await assert.rejects(deep(backup), { code: 'STORE_UNAVAILABLE' });
  });

  test('that is interrupted gives no verdict', async () => {
    const { backup } = await threeSegments();
    await assert.rejects(validate(backup, 'deep', AbortSignal.abort()), { code: 'INTERRUPTED' });
  });

  test('counts all problems and keeps the first thousand', async () => {
    const backup = await newBackup();
    const [segment] = [await backup.segment([[jsonBatch(0n, 5)]])];
    const keys = Array.from({ length: 1200 }, (_, index) => ({
      ...segment,
      key: `b/data/x/${index}`,
      partition: index,
    }));
    await backup.commit(...keys.map((one) => ({ kind: 'segment' as const, segment: one })));
    const { problemCount, problems } = await quick(backup);
    assert.deepEqual([problemCount, problems.length], [1200, 1000]);
  });

  test('reads frames larger than its buffers, and more of them than it has', async () => {
    const backup = await newBackup();
    const value = Buffer.alloc(3 * 1024 * 1024, 'x');
    const large = (baseOffset: bigint): Uint8Array =>
      jsonBatch(baseOffset, 3, { records: [0, 1, 2].map(() => ({ timestampMs: T0, key: null, value })) });
    const segment = await backup.segment([[large(0n)], [jsonBatch(3n, 1)], [large(4n)]], { codec: 'none' });
    await backup.commit({ kind: 'segment', segment });
    for (let at = 7n; at < 100n; at += 1n) await backup.add([jsonBatch(at, 1)]);
    const report = await deep(backup);
    assert.deepEqual([report.problems, report.segments], [[], 94]);
  });
});
