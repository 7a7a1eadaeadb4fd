// One partition on two brokers, as far as an idempotent producer can see it: a leader that moves, a memory of the last five batches
// (KIP-98), answers in the order of each connection, and chance that decides what happens next. Errors come before the append and
// after it, connections break, and what was under way on one that broke may still land later.

import type { KafkaCluster } from '../../../src/kafka/connection/cluster.ts';
import type { ApiCall } from '../../../src/kafka/protocol/api.ts';
import { WireReader } from '../../../src/kafka/protocol/wire-reader.ts';
import { WireWriter } from '../../../src/kafka/protocol/wire-writer.ts';
import { BackupError } from '../../../src/model/errors.ts';

export const PARTITION = { topic: 'orders', partition: 0 };
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const NAME = 'orders-0';
const SEQUENCE_LIMIT = 2 ** 31;
const REMEMBERED = 5;
const [OK, NO_TOPIC, NOT_LEADER, TIMED_OUT, AFTER_APPEND, OUT_OF_ORDER] = [0, 3, 6, 7, 20, 45] as const;
/** Nothing was appended: server error, unknown topic, time-out, not enough replicas, storage error. */
const ERRORS_BEFORE = [-1, NO_TOPIC, TIMED_OUT, 19, 56] as const;
const ERRORS_AFTER = [TIMED_OUT, AFTER_APPEND] as const;

export interface LoggedBatch {
  readonly baseOffset: bigint;
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly bytes: Buffer;
}

interface Pending {
  readonly handle: (node: number) => unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
  answer?: unknown;
}

export class ModelPartition {
  readonly batches: LoggedBatch[] = [];
  /** Null when there is no such topic. */
  topicId: string | null = TOPIC_ID;
  endOffset: bigint;
  readonly #random: () => number;
  #faultsLeft: number;
  #leader = 1;
  #seenLeader = 1;
  #remembered: { readonly first: number; readonly last: number; readonly offset: bigint }[] = [];
  readonly #connections = new Map<number, Pending[]>();
  readonly #late: (() => void)[][] = [];

  constructor(endOffset: bigint, random: () => number, faults: number) {
    this.endOffset = endOffset;
    this.#random = random;
    this.#faultsLeft = faults;
  }

  /** All that can happen next; what is likelier is there more than once. */
  possibleSteps(): (() => void)[] {
    const steps: (() => void)[] = [];
    for (const [node, queue] of this.#connections) {
      const next = queue.find((one) => one.answer === undefined);
      if (next !== undefined) steps.push(...likely(() => void (next.answer = next.handle(node))));
      const [head] = queue;
      if (head?.answer !== undefined) steps.push(...likely(() => queue.shift()?.resolve(head.answer)));
      if (queue.length > 0 && this.#happens(0.06)) steps.push(() => this.#breakConnection(node, queue));
    }
    steps.push(...this.#late.filter((requests) => requests.length > 0).map((requests) => () => requests.shift()?.()));
    if (this.#happens(0.04)) steps.push(() => void (this.#leader = 3 - this.#leader));
    return steps;
  }

  /** Another topic, or none, has the name from now on; what is under way fails. */
  replaceBy(topicId: string | null): void {
    this.topicId = topicId;
    this.endOffset = 0n;
    this.batches.length = 0;
    this.#remembered = [];
    for (const [node, queue] of this.#connections) this.#breakConnection(node, queue);
  }

  landAll(): void {
    for (const requests of this.#late) for (const land of requests.splice(0)) land();
  }

  /** The one of `KafkaCluster` that a producer uses. */
  cluster(): KafkaCluster {
    const model = {
      leaderOf: () => this.#seenLeader,
      describeTopics: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        if (this.#fails(0.1)) throw new BackupError('KAFKA_UNREACHABLE', 'no broker answers');
        this.#seenLeader = this.#leader;
        const { topicId } = this;
        if (topicId === null) return { topics: [], missing: [PARTITION.topic], denied: [] };
        return { topics: [{ topicId }], missing: [], denied: [] };
      },
      listOffsets: async () => {
        const end = await this.#ask<bigint | null>(this.#seenLeader, (node) => this.#isLed(node, this.endOffset));
        return new Map(end === null ? [] : [[NAME, end]]);
      },
      call: (node: number, _lane: string, call: ApiCall<unknown>) => {
        const batch = readProduce(call);
        return this.#ask(node, (at) => this.#produce(at, batch));
      },
      callHeld: async (node: number, _lane: string, call: ApiCall<unknown>) => {
        const offset = readFetch(call);
        const partition = await this.#ask(node, (at) => this.#fetch(at, offset));
        return { response: { errorCode: OK, partitions: [partition] }, release() {} };
      },
    };
    return model as unknown as KafkaCluster;
  }

  #happens(probability: number): boolean {
    return this.#faultsLeft > 0 && this.#random() < probability;
  }

  #fails(probability: number): boolean {
    const fails = this.#happens(probability);
    if (fails) this.#faultsLeft -= 1;
    return fails;
  }

  #oneOf(codes: readonly number[]): number {
    return codes[Math.floor(this.#random() * codes.length)]!;
  }

  #isLed<T>(node: number, answer: T): T | null {
    return node === this.#leader ? answer : null;
  }

  #ask<Answer>(node: number, handle: (node: number) => Answer): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const queue = this.#connections.get(node) ?? [];
    this.#connections.set(node, queue);
    queue.push({ handle, resolve, reject });
    return promise as Promise<Answer>;
  }

  #breakConnection(node: number, queue: readonly Pending[]): void {
    this.#faultsLeft -= 1;
    this.#connections.delete(node);
    const unhandled = queue.filter((one) => one.answer === undefined);
    const landing = unhandled.slice(0, Math.floor(this.#random() * (unhandled.length + 1)));
    this.#late.push(
      landing.map(
        ({ handle }) =>
          () =>
            void handle(node),
      ),
    );
    for (const { reject } of queue) reject(new BackupError('KAFKA_UNREACHABLE', 'the connection broke'));
  }

  #produce(node: number, bytes: Buffer): { errorCode: number; baseOffset: bigint; errorMessage: null } {
    const refused = (errorCode: number) => ({ errorCode, baseOffset: -1n, errorMessage: null });
    if (node !== this.#leader) return refused(NOT_LEADER);
    if (this.topicId === null) return refused(NO_TOPIC);
    if (this.#fails(0.05)) return refused(this.#oneOf(ERRORS_BEFORE));
    const offset = this.#append(bytes);
    if (offset === null) return refused(OUT_OF_ORDER);
    if (this.#fails(0.05)) return refused(this.#oneOf(ERRORS_AFTER));
    return { errorCode: OK, baseOffset: offset, errorMessage: null };
  }

  /** As ProducerStateManager: what is among the last five is there already; else the sequence has to follow. */
  #append(bytes: Buffer): bigint | null {
    const [first, recordCount] = [bytes.readInt32BE(53), bytes.readInt32BE(57)];
    const last = (first + recordCount - 1) % SEQUENCE_LIMIT;
    const known = this.#remembered.find((one) => one.first === first && one.last === last);
    if (known !== undefined) return known.offset;
    const newest = this.#remembered.at(-1);
    if (newest !== undefined && first !== (newest.last + 1) % SEQUENCE_LIMIT) return null;
    const offset = this.endOffset;
    const copy = Buffer.from(bytes);
    copy.writeBigInt64BE(offset, 0);
    this.batches.push({ baseOffset: offset, baseSequence: first, recordCount, bytes: copy });
    this.endOffset += BigInt(recordCount);
    this.#remembered = [...this.#remembered, { first, last, offset }].slice(-REMEMBERED);
    return offset;
  }

  /** A fetch is cut anywhere but in its first batch. */
  #fetch(node: number, offset: bigint): { errorCode: number; records: Buffer } {
    if (node !== this.#leader) return { errorCode: NOT_LEADER, records: Buffer.alloc(0) };
    const found = this.batches.filter((one) => one.baseOffset + BigInt(one.recordCount) > offset);
    const records = Buffer.concat(found.map(({ bytes }) => bytes));
    const isCut = found.length > 1 && this.#random() < 0.5;
    return { errorCode: OK, records: isCut ? records.subarray(0, found[0]!.bytes.byteLength + 20) : records };
  }
}

function likely(step: () => void): (() => void)[] {
  return [step, step, step];
}

function requestOf(call: ApiCall<unknown>): WireReader {
  const writer = new WireWriter();
  call.write(writer);
  return new WireReader(Buffer.concat(writer.chunks()));
}

/** The batch of a Produce v9 request, after the protocol guide. */
function readProduce(call: ApiCall<unknown>): Buffer {
  const reader = requestOf(call);
  reader.compactNullableString();
  reader.int16();
  reader.int32();
  const batches = reader.compactArray((topic) => {
    topic.compactString();
    const partitions = topic.compactArray((one) => {
      one.int32();
      const batch = Buffer.from(one.compactBytes());
      one.taggedFields();
      return batch;
    });
    topic.taggedFields();
    return partitions;
  });
  return batches.flat()[0]!;
}

/** The offset of a Fetch v13 request, after the protocol guide. */
function readFetch(call: ApiCall<unknown>): bigint {
  const reader = requestOf(call);
  for (const _field of ['replica', 'wait', 'min', 'max']) reader.int32();
  reader.int8();
  for (const _field of ['session', 'epoch']) reader.int32();
  const offsets = reader.compactArray((topic) => {
    topic.uuid();
    const partitions = topic.compactArray((one) => {
      one.int32();
      one.int32();
      const offset = one.int64();
      one.int32();
      one.int64();
      one.int32();
      one.taggedFields();
      return offset;
    });
    topic.taggedFields();
    return partitions;
  });
  return offsets.flat()[0]!;
}
