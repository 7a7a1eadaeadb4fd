import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { IdempotentProducer } from '../../../src/kafka/idempotent-producer.ts';
import { encodeBatch, text } from '../../support/record-batches.ts';
import { randomNumbers } from '../../support/random-numbers.ts';
import { ModelPartition, PARTITION } from './model-partition.ts';

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
    const producer = new IdempotentProducer({
      cluster: this.log.cluster(),
      lane: 'produce-0',
      partition: PARTITION,
      position: {
        identity: { producerId: 42n, producerEpoch: 0 },
        startOffset: this.#startOffset - this.#firstIndex,
        recordsThere: this.#firstIndex,
      },
      timeoutMs: 1000,
      patienceMs: 60_000,
      signal: new AbortController().signal,
      permit: () => undefined,
      monotonicMs: () => 0,
    });
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
