import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { IdempotentProducer } from '../../../src/kafka/idempotent-producer.ts';
import { BackupError } from '../../../src/model/errors.ts';
import { encodeBatch, text } from '../../support/record-batches.ts';
import { randomNumbers } from '../../support/random-numbers.ts';
import { ModelPartition, PARTITION, TOPIC_ID } from './model-partition.ts';

const SEEDS = 100;
const BATCHES = 25;
const MOST_STEPS = 5_000;
/** Longer than any pause of a producer. */
const PAUSE_MS = 10_000;
const SEQUENCE_LIMIT = 2n ** 31n;

function batchOf(index: number, recordCount: number): Uint8Array {
  const records = Array.from({ length: recordCount }, (_, one) => ({
    timestampMs: 1,
    key: null,
    value: text(`${index}/${one}`),
  }));
  return encodeBatch({ baseOffset: 0n, leaderEpoch: -1, records });
}

function producerOf(
  log: ModelPartition,
  startOffset: bigint,
  recordsThere: bigint,
  { patienceMs = 60_000, monotonicMs = (): number => 0, permit = (): Promise<void> | undefined => undefined } = {},
): IdempotentProducer {
  return new IdempotentProducer({
    cluster: log.cluster(),
    lane: 'produce-0',
    partition: PARTITION,
    position: { identity: { producerId: 42n, producerEpoch: 0 }, topicId: TOPIC_ID, startOffset, recordsThere },
    timeoutMs: 1000,
    patienceMs,
    signal: new AbortController().signal,
    permit,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    monotonicMs,
  });
}

/** Sends everything, and steps the model until all is settled. */
class Story {
  readonly recordCounts: number[] = [];
  readonly acknowledged: number[] = [];
  readonly log: ModelPartition;
  readonly #random: () => number;
  readonly #firstIndex: bigint;
  readonly #startOffset: bigint;

  constructor(seed: number, firstIndex: bigint) {
    this.#random = randomNumbers(seed);
    this.#firstIndex = firstIndex;
    this.#startOffset = BigInt(Math.floor(this.#random() * 100));
    this.log = new ModelPartition(this.#startOffset, this.#random, 12 + Math.floor(this.#random() * 20));
  }

  async run(): Promise<void> {
    let outcome: { readonly error?: unknown } | undefined;
    void this.#send().then(
      () => (outcome = {}),
      (error: unknown) => (outcome = { error }),
    );
    for (let step = 0; step < MOST_STEPS && outcome === undefined; step += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      const steps = [...this.log.possibleSteps(), () => mock.timers.tick(PAUSE_MS)];
      steps[Math.floor(this.#random() * steps.length)]?.();
    }
    this.log.landAll();
    assert.deepEqual(outcome, {}, 'everything is acknowledged');
  }

  async #send(): Promise<void> {
    const producer = producerOf(this.log, this.#startOffset - this.#firstIndex, this.#firstIndex);
    const settled: Promise<void>[] = [];
    for (let index = 0; index < BATCHES; index += 1) {
      const recordCount = 1 + Math.floor(this.#random() * 4);
      this.recordCounts.push(recordCount);
      const { acknowledged } = await producer.send(batchOf(index, recordCount), recordCount);
      const noted = acknowledged.then(() => void this.acknowledged.push(index));
      noted.catch(() => {});
      settled.push(noted);
    }
    await Promise.all(settled);
  }

  /** What the log has to hold: every batch once, in order. */
  expected(): { baseOffset: bigint; baseSequence: number; recordCount: number }[] {
    let [baseOffset, index] = [this.#startOffset, this.#firstIndex];
    return this.recordCounts.map((recordCount) => {
      const batch = { baseOffset, baseSequence: Number(index % SEQUENCE_LIMIT), recordCount };
      baseOffset += BigInt(recordCount);
      index += BigInt(recordCount);
      return batch;
    });
  }
}

describe('an idempotent producer, whatever the brokers and the connections do', () => {
  for (const [what, firstIndex] of [
    ['from its first record', 0n],
    ['where its sequence begins anew', SEQUENCE_LIMIT - 20n],
  ] as const) {
    test(`brings every batch once and in order, and acknowledges in that order, ${what}`, async () => {
      mock.timers.enable({ apis: ['setTimeout'] });
      try {
        for (let seed = 1; seed <= SEEDS; seed += 1) {
          const story = new Story(seed, firstIndex);
          try {
            await story.run();
            const logged = story.log.batches.map(({ bytes: _bytes, ...batch }) => batch);
            assert.deepEqual(logged, story.expected());
            assert.deepEqual(story.acknowledged, [...story.acknowledged.keys()]);
          } catch (error) {
            throw new Error(`seed ${seed}`, { cause: error });
          }
        }
      } finally {
        mock.timers.reset();
      }
    });
  }
});

test('an idempotent producer ends at once when nobody can permit it to write: they have waited already', async () => {
  const permit = async (): Promise<void> => {
    throw new BackupError('STORE_UNAVAILABLE', 'the journal was waited for');
  };
  const producer = producerOf(new ModelPartition(0n, () => 0, 0), 0n, 0n, { permit });
  const { acknowledged } = await producer.send(batchOf(0, 1), 1);
  await assert.rejects(acknowledged, { code: 'STORE_UNAVAILABLE', message: 'the journal was waited for' });
  await assert.rejects(producer.send(batchOf(1, 1), 1), { code: 'STORE_UNAVAILABLE' });
});

describe('an idempotent producer whose topic was deleted', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  /** Has a batch acknowledged, and another one under way when the topic goes. @returns what becomes of that one. */
  async function outcome(
    topicId: string | null,
  ): Promise<{ readonly error: unknown; readonly log: ModelPartition; readonly waitedMs: number }> {
    const log = new ModelPartition(0n, () => 0, 0);
    let nowMs = 0;
    const producer = producerOf(log, 0n, 0n, { patienceMs: 600_000, monotonicMs: () => nowMs });
    let settled: { readonly error: unknown } | undefined;
    const sending = (async () => {
      await (await producer.send(batchOf(0, 3), 3)).acknowledged;
      const { acknowledged } = await producer.send(batchOf(1, 3), 3);
      log.replaceBy(topicId);
      await acknowledged;
    })();
    void sending.then(
      () => (settled = { error: undefined }),
      (error: unknown) => (settled = { error }),
    );
    for (let step = 0; step < MOST_STEPS && settled === undefined; step += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      const [next] = log.possibleSteps();
      if (next !== undefined) next();
      else {
        nowMs += PAUSE_MS;
        mock.timers.tick(PAUSE_MS);
      }
    }
    return { error: settled?.error, log, waitedMs: nowMs };
  }

  test('writes nothing to another topic of the same name', async () => {
    const { error, log } = await outcome('BAAAAAAAAAAAAAAAAAAAAQ');
    assert.match(String(error), /topic orders has id BAAA\S+: the one that was written to had id AAAA/);
    assert.deepEqual([(error as BackupError).code, log.batches.length], ['TARGET_CHANGED', 0]);
  });

  test('says that it is gone, long before its patience ends', async () => {
    const { error, waitedMs } = await outcome(null);
    assert.match(String(error), /topic orders is gone/);
    assert.equal((error as BackupError).code, 'TARGET_CHANGED');
    assert.ok(waitedMs < 100_000, `${waitedMs} ms`);
  });
});
