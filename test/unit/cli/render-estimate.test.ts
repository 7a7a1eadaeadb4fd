import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { renderEstimate } from '../../../src/cli/output/reports/render-estimate.ts';
import type { CodecProjection } from '../../../src/estimate/projection.ts';

const QUESTION = { sampleBytes: 64e6, retentionMs: 30 * 86_400_000, bandwidthBytesPerSec: 125e6 };

function textOf(storedBytesPerDay: number, overheadBytesPerDay: number): string {
  const codec: CodecProjection = {
    ...{ codec: 'zstd', level: 3, ratio: 4, bytesPerCoreSecond: 1e8 },
    ...{ storedBytesPerDay, overheadBytesPerDay, objectsPerDay: 1440, putsPerDay: 3000 },
    ...{ storageBytes: storedBytesPerDay * 30, uploadBytesPerSec: 1, cores: 0.1, restoreSeconds: 10 },
  };
  const rates = { recordsPerDay: 1, kafkaBytesPerDay: 1, rawBytesPerDay: 1, fetchBytesPerSec: 1 };
  return renderEstimate({ topics: [], codecs: [codec], leftOut: [], ...rates }, QUESTION);
}

describe('an estimate in words', () => {
  test('tells how much of what is stored are footers and commits, where that is worth a word', () => {
    assert.match(
      textOf(10e9, 6e9),
      /^With zstd 3, 60 % of what is stored \(6\.000 GB\/day\) are footers and commits: /m,
    );
    for (const [stored, overhead] of [
      [10e9, 0.5e9],
      [0, 0],
    ] as const) {
      assert.doesNotMatch(textOf(stored, overhead), /footers and commits: |NaN/);
    }
  });
});
