// A backup can be read without the agent: every segment object, unpacked by the standard command of its codec, is a log
// segment that Kafka's own DumpLogSegments accepts record by record, and that holds what the catalog says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { SegmentSummary } from '../../src/model/segment/segment.ts';
import { assertExit, onlyIncarnation } from '../support/agent-workspace.ts';
import { assertTopicTiling } from '../support/assert-tiling.ts';
import type { Codec, KafkaProbe } from '../support/kafka-probe.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const run = promisify(execFile);
const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const MAX_LOG_BYTES = 64 * 1024 * 1024;
const TOPIC = 'ledger';

/** How a user gets at the log inside an object, and has it checked, without us. */
const TOOLS: Readonly<Record<string, { readonly unpack: string[]; readonly test: string[] } | undefined>> = {
  zstd: { unpack: ['zstd', '-dc'], test: ['zstd', '-t'] },
  lz4: { unpack: ['lz4', '-dc'], test: ['lz4', '-t'] },
};

describe('a stored segment', { timeout: 120_000 }, () => {
  let system: SystemFixture;
  let probe: KafkaProbe;

  before(async () => {
    system = await SystemFixture.start();
    ({ probe } = system);
    await probe.createTopic(TOPIC, { partitions: 2 });
    let firstIndex = 0;
    for (const codec of [...CODECS, ...CODECS]) {
      await probe.produce(TOPIC, { records: 400, firstIndex, codec, keys: 20, headers: true });
      firstIndex += 400;
      const outcome = codec === 'gzip' ? 'abort' : 'commit';
      const records = [{ key: 'transaction', value: outcome, timestampMs: 1_700_000_000_000 + firstIndex }];
      await probe.produceRecords(TOPIC, 1, records, { codec, transactionalId: `writer-${codec}`, outcome });
    }
  });

  after(() => system?.stop());

  for (const compression of ['zstd', 'lz4', 'none'] as const) {
    for (const recompress of ['always', 'never'] as const) {
      it(`is a log that Kafka reads, with compression ${compression} and recompress ${recompress}`, async () => {
        const { workspace } = system;
        const backupId = `${compression}-${recompress}`;
        const backup = { compression, recompress, segment_max_bytes: '128KiB', frame_bytes: '32KiB' };
        assertExit(await workspace.backup({ backupId, topics: [TOPIC], backup }), 0);
        const state = await workspace.catalog(backupId);
        assertTopicTiling(state, TOPIC, new Map(), await probe.endOffsets(TOPIC));
        const segments = [...onlyIncarnation(state, TOPIC).partitions.values()].flatMap((history) => history.segments);
        assert.ok(segments.length >= 4, `there are several segments (${segments.length})`);
        for (const segment of segments) await assertReadable(join(workspace.store, segment.key), segment);
      });
    }
  }

  it('holds as many records as it may, where its batches are of one record each', async () => {
    const { workspace } = system;
    await probe.createTopic('singles');
    await probe.produce('singles', { records: 1000, valueBytes: 20, batchSize: 1 });
    const backup = { segment_max_records: 100 };
    assertExit(await workspace.backup({ backupId: 'singles', topics: ['singles'], backup }), 0);
    const { segments } = onlyIncarnation(await workspace.catalog('singles'), 'singles').partitions.get(0)!;
    assert.deepEqual(
      segments.map(({ recordCount, batchCount }) => [recordCount, batchCount]),
      Array.from({ length: 10 }, () => [100, 100]),
    );
  });

  async function assertReadable(object: string, segment: SegmentSummary): Promise<void> {
    const tools = TOOLS[segment.codec];
    if (tools !== undefined) await run(tools.test[0]!, [...tools.test.slice(1), object]);
    const directory = await mkdtemp(join(system.workspace.directory, 'unpacked-'));
    try {
      const log = join(directory, '00000000000000000000.log');
      await writeFile(log, tools === undefined ? await withoutFooter(object) : await unpack(tools.unpack, object));
      const { tail, batchesByCodec: _codecs, ...found } = await probe.dumpLogSegments(log);
      assert.deepEqual(
        found,
        {
          batches: segment.batchCount,
          records: segment.recordCount,
          firstOffset: segment.baseOffset,
          lastOffset: segment.nextOffset - 1n,
          isValid: true,
          errors: [],
        },
        `${segment.key}\n${tail}`,
      );
      assert.equal((await readFile(log)).byteLength, segment.rawSizeBytes, segment.key);
    } finally {
      await rm(directory, { recursive: true });
    }
  }
});

async function unpack([program = '', ...args]: readonly string[], object: string): Promise<Buffer> {
  const { stdout } = await run(program, [...args, object], { encoding: 'buffer', maxBuffer: MAX_LOG_BYTES });
  return stdout;
}

/**
 * Without a codec the log ends where the footer begins. Its length stands before the last eight bytes: u32 LE of the JSON,
 * around which there are 8 bytes of skippable frame header and these 12.
 */
async function withoutFooter(object: string): Promise<Buffer> {
  const bytes = await readFile(object);
  assert.equal(bytes.subarray(-8).toString('latin1'), 'KBAGENT1');
  return bytes.subarray(0, bytes.byteLength - bytes.readUInt32LE(bytes.byteLength - 12) - 20);
}
