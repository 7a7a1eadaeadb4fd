import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { estimateJson, renderEstimate } from '../../../src/cli/output/reports/render-estimate.ts';
import type { Estimate } from '../../../src/estimate/estimate-run.ts';
import type { CodecProjection, TopicProjection } from '../../../src/estimate/projection.ts';

const QUESTION = { sampleBytes: 64e6, retentionMs: 30 * 86_400_000, bandwidthBytesPerSec: 125e6 };

function estimateOf(storedBytesPerDay: number, overheadBytesPerDay: number): Estimate {
  const codec: CodecProjection = {
    ...{ codec: 'zstd', level: 3, isConfigured: true, ratio: 4, bytesPerCoreSecond: 1e8 },
    ...{ storedBytesPerDay, overheadBytesPerDay, objectsPerDay: 1440, putsPerDay: 3000 },
    ...{ storageBytes: storedBytesPerDay * 30, uploadBytesPerSec: 1, cores: 0.1, restoreSeconds: 10 },
  };
  const rates = { recordsPerDay: 1, kafkaBytesPerDay: 1, rawBytesPerDay: 1, fetchBytesPerSec: 1 };
  return { topics: [topicOf('orders', true)], codecs: [codec], leftOut: [], ...rates };
}

function topicOf(topic: string, isRateKnown: boolean): TopicProjection {
  const rates = { recordsPerDay: isRateKnown ? 10 : 0, kafkaBytesPerDay: 0, rawBytesPerDay: 0, basisMs: 86_400_000 };
  return { topic, partitions: 1, ...rates, isRateKnown, sampleBytes: 1000 };
}

function textOf(storedBytesPerDay: number, overheadBytesPerDay: number): string {
  return renderEstimate(estimateOf(storedBytesPerDay, overheadBytesPerDay), QUESTION);
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

  test('names what was left out with its remedy, and says that sums are too small', () => {
    const leftOut = [
      { topic: 'absent', code: 'TOPIC_NOT_FOUND', message: 'there is no topic absent' },
      { topic: 'listed', code: 'KAFKA_AUTHORIZATION_FAILED', message: 'fetch listed-0: TOPIC_AUTHORIZATION_FAILED' },
    ] as const;
    const text = renderEstimate({ ...estimateOf(10e9, 1), leftOut }, QUESTION);
    assert.match(text, /^Left out: absent: there is no topic absent\nLeft out: listed: .*FAILED\n {2}-> .*READ/m);
    assert.match(text, /^Warning: 1 topic\(s\) could not be read: every sum is too small/m);
    const json = estimateJson({ ...estimateOf(10e9, 1), leftOut }, QUESTION);
    assert.deepEqual(json.left_out, ['absent', 'listed']);
    assert.equal((json.warnings as unknown[]).length, 1);
  });

  test('says nothing of a day where timestamps tell no rate, instead of zeros', () => {
    const estimate = { ...estimateOf(0, 0), topics: [topicOf('backfilled', false)] };
    const text = renderEstimate(estimate, QUESTION);
    assert.match(
      text,
      /^Warning: the rate of backfilled cannot be told: .*CreateTime.* so nothing is said of a day\.$/m,
    );
    assert.match(text, /^backfilled +1 +- +- +- +0\.0 +nothing: no timestamp is of the last 24 h *$/m);
    assert.match(text, /^zstd 3 +4\.00 +100 +- +- +- +- +- +- +- *$/m);
    assert.doesNotMatch(text, /^A day: /m);
    assert.match(text, /^This configuration says zstd 3\.$/m);
    const besideEmpty = { ...topicOf('empty', true), sampleBytes: 0 };
    assert.doesNotMatch(
      renderEstimate({ ...estimate, topics: [...estimate.topics, besideEmpty] }, QUESTION),
      /^A day: /m,
    );
    const both = { ...estimate, topics: [topicOf('backfilled', false), topicOf('orders', true)] };
    assert.match(renderEstimate(both, QUESTION), /^Warning: .* no sum counts them\.$/m);
    assert.match(renderEstimate(both, QUESTION), /^A day: /m);
  });
});
