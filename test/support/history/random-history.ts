// A random history of one topic: producers write into many partitions at once, in transactions that interleave, end on either side
// of an instant, or never; timestamps go back and forth around that instant. It is a script for the probe to play, and after that
// it knows of every record where it lies and what became of its transaction.
import assert from 'node:assert/strict';
import type { Codec, PlayedScript, ProducerScript, RecordToSend, ScriptStep } from '../kafka-probe-types.ts';
import { Dice } from './dice.ts';

export interface HistoryOptions {
  readonly seed: number;
  readonly partitions: number;
  /** The time at which the first half has ended, and the second half may begin. Timestamps lie around it. */
  readonly instantMs: number;
  /** Of each half: how often every producer has its turn. */
  readonly rounds: number;
  /** By which the timestamps go on with each round, in the mean. */
  readonly driftMs: number;
  /** False ends every transaction. */
  readonly leavesOpen: boolean;
  /** True gives every record a key. */
  readonly isKeyed: boolean;
}

export interface Transaction {
  outcome: 'commit' | 'abort' | 'open';
  /** Whether it ended in the first half; for one that is open, nothing. */
  isEarly: boolean;
}

export interface WrittenRecord {
  readonly partition: number;
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly { readonly key: string; readonly value: string | null }[];
  /** Null outside of transactions. */
  readonly transaction: Transaction | null;
}

export interface PlacedRecord extends WrittenRecord {
  readonly offset: bigint;
}

/** Distances from the instant to which many timestamps keep: windows begin and end there. */
export const EDGES_MS = [0, -1000] as const;

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const TRANSACTIONAL = 6;
const PLAIN = 2;

export class RandomHistory {
  readonly script: ProducerScript;
  readonly #written: WrittenRecord[] = [];
  /** Partitions that each open transaction has written to. */
  readonly #touched = new Map<string, Set<number>>();
  readonly #options: HistoryOptions;
  readonly #dice: Dice;
  readonly #steps: ScriptStep[] = [];
  readonly #open = new Map<string, Transaction>();
  /** Log end of each partition: its records and markers so far. */
  readonly #ends: number[];
  /** Those at the instant. */
  readonly endsAtInstant: readonly number[];
  #round = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#dice = new Dice(options.seed);
    this.#ends = Array.from({ length: options.partitions }, () => 0);
    // A producer that is left in a transaction cannot serve the next history.
    const prefix = options.leavesOpen ? `${options.instantMs} ` : '';
    const names = Array.from({ length: TRANSACTIONAL + PLAIN }, (_, index) => `${prefix}producer ${index}`);
    for (this.#round = 0; this.#round < options.rounds; this.#round += 1) this.#play(names);
    this.endsAtInstant = [...this.#ends];
    this.#steps.push({ settle: sum(this.#ends) }, { awaitMs: options.instantMs + 1 });
    for (; this.#round < 2 * options.rounds; this.#round += 1) this.#play(names);
    for (const name of [...this.#open.keys()]) {
      if (!options.leavesOpen || this.#dice.chance(0.6)) this.#end(name);
    }
    this.#steps.push({ settle: sum(this.#ends) });
    const producers = names.map((name, index) => [
      name,
      { codec: CODECS[index % CODECS.length]!, transactional: index < TRANSACTIONAL },
    ]);
    this.script = { partitions: options.partitions, producers: Object.fromEntries(producers), steps: this.#steps };
  }

  /** False when the first half took longer than there was time: then nobody knows on which side its markers lie. */
  isInTime({ settledMs }: PlayedScript): boolean {
    return settledMs[0]! < this.#options.instantMs;
  }

  /** By partition, in the order of the log. */
  placed({ offsets }: PlayedScript): Map<number, PlacedRecord[]> {
    assert.equal(offsets.length, this.#written.length, 'an offset for every record');
    const placed = this.#written.map((record, index) => ({ ...record, offset: offsets[index]! }));
    placed.sort((a, b) => (a.offset < b.offset ? -1 : 1));
    return Map.groupBy(placed, ({ partition }) => partition);
  }

  /** One turn of every producer. */
  #play(names: readonly string[]): void {
    const dice = this.#dice;
    for (const name of dice.shuffle(names)) {
      const isTransactional = names.indexOf(name) < TRANSACTIONAL;
      if (isTransactional && !this.#open.has(name)) {
        if (dice.chance(0.2)) continue;
        this.#steps.push({ begin: name });
        this.#open.set(name, { outcome: 'open', isEarly: false });
        this.#touched.set(name, new Set());
      }
      this.#send(name);
      this.#steps.push({ flush: name });
      if (isTransactional && dice.chance(0.3)) this.#end(name);
    }
  }

  #end(name: string): void {
    const transaction = this.#open.get(name)!;
    const outcome = this.#dice.chance(0.6) ? 'commit' : 'abort';
    this.#open.delete(name);
    transaction.outcome = outcome;
    transaction.isEarly = this.#round < this.#options.rounds;
    for (const partition of this.#touched.get(name)!) this.#ends[partition]! += 1;
    this.#steps.push(outcome === 'commit' ? { commit: name } : { abort: name });
  }

  #send(name: string): void {
    const dice = this.#dice;
    for (let partition = 0; partition < this.#options.partitions; partition += 1) {
      if (dice.chance(0.6)) continue;
      const transaction = this.#open.get(name) ?? null;
      const records = Array.from({ length: dice.between(1, 4) }, () => ({ ...this.#record(), partition, transaction }));
      this.#written.push(...records);
      this.#ends[partition]! += records.length;
      this.#touched.get(name)?.add(partition);
      this.#steps.push({ send: name, partition, records: records.map(toSend) });
    }
  }

  #record(): Omit<WrittenRecord, 'partition' | 'transaction'> {
    const dice = this.#dice;
    const { instantMs, rounds, driftMs, isKeyed } = this.#options;
    const drift = (this.#round - rounds) * driftMs;
    const distance = dice.chance(0.4)
      ? dice.pick(EDGES_MS) + dice.between(-2, 2)
      : drift + dice.between(-3 * driftMs, 3 * driftMs);
    return {
      timestampMs: instantMs + distance,
      key: dice.chance(0.15) && !isKeyed ? null : `key ${dice.between(0, 9)}`,
      value: dice.chance(0.1) ? null : `${this.#written.length} ${'x'.repeat(dice.between(0, 60))}`,
      headers: dice.chance(0.3) ? [{ key: 'env', value: dice.pick(['prod', 'test', '', null]) }] : [],
    };
  }
}

function toSend({ timestampMs, key, value, headers }: WrittenRecord): RecordToSend {
  return { timestampMs, key, value, headers };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
