// The nouns of the probe: what can be sent, and what comes back. Bytes are null, empty or full; text means UTF-8.
// Offsets are bigint, timestamps milliseconds.

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
export type Isolation = 'read_committed' | 'read_uncommitted';

export interface TopicDescription {
  readonly topicId: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Node ids by partition; -1 for one that has no leader. */
  readonly leaders: readonly number[];
  /** Configs set on the topic itself; defaults are left out. */
  readonly configs: Readonly<Record<string, string>>;
}

/** The same spec (codec and batching aside) makes the same records. */
export interface ProduceSpec {
  /** Over all partitions together. */
  readonly records: number;
  /** Which partitions; all unless given. Unkeyed record i goes to the (i mod n)th, keyed ones by murmur2. */
  readonly partitions?: readonly number[];
  readonly codec?: Codec;
  /** Exact size of each value. Absent: realistic documents of about 0.7 KB. Below 700 the JSON is cut short. */
  readonly valueBytes?: number;
  readonly batchSize?: number;
  readonly lingerMs?: number;
  /** Timestamp of record index 0; default 1,700,000,000,000. */
  readonly startTimestampMs?: number;
  readonly timestampStepMs?: number;
  readonly seed?: number;
  /** Index of the first record: continue a stream where an earlier call ended. Default 0. */
  readonly firstIndex?: number;
  /** How many different keys; 0 (default) means null keys. */
  readonly keys?: number;
  /** Adds two headers to each record. */
  readonly headers?: boolean;
  readonly acks?: 'all' | '1' | '0';
  /** Paces the producer; unlimited unless given. */
  readonly recordsPerSecond?: number;
}

export interface ProduceResult {
  readonly recordsByPartition: ReadonlyMap<number, number>;
  readonly valueBytes: number;
  readonly elapsedMs: number;
}

export interface RecordToSend {
  readonly key?: Uint8Array | string | null;
  readonly value?: Uint8Array | string | null;
  /** A bigint where no number holds it. */
  readonly timestampMs?: number | bigint;
  /** In order; keys may repeat. */
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | string | null }[];
}

export interface BatchOptions {
  /** For a transaction handle, the codec it was opened with holds. */
  readonly codec?: Codec;
  readonly oneBatchPerRecord?: boolean;
  /** Default true: batches carry a producer id. */
  readonly idempotent?: boolean;
}

export interface TransactionOptions {
  /** For `txBegin`, the handle's own name unless given. */
  readonly transactionalId?: string;
  /** After which the coordinator aborts it; default 5 minutes. */
  readonly timeoutMs?: number;
}

/** What many producers do to one topic or several, one step after the other. */
export interface ProducerScript {
  readonly partitions: number;
  /** When given, so many of the partitions are each topic's, and the topics are called `{topic}-0`, `{topic}-1` and so on. */
  readonly partitionsPerTopic?: number;
  /** By name; a transactional producer's name is its transactional id. */
  readonly producers: Readonly<Record<string, { readonly codec: Codec; readonly transactional: boolean }>>;
  readonly steps: readonly ScriptStep[];
}

/** Records stay in their producer until it is flushed or its transaction ends: then they go out, one batch a partition. */
export type ScriptStep =
  | { readonly send: string; readonly partition: number; readonly records: readonly RecordToSend[] }
  | { readonly flush: string }
  | { readonly begin: string }
  | { readonly commit: string }
  | { readonly abort: string }
  /** Waits until all log ends add up to this: the markers of a transaction come after its producer has ended it. */
  | { readonly settle: number }
  /** Waits until the clock shows it. */
  | { readonly awaitMs: number };

export interface PlayedScript {
  /** Of the records, in the order of their sending. */
  readonly offsets: readonly bigint[];
  /** The clock after each `settle`. */
  readonly settledMs: readonly number[];
}

export interface DigestOptions {
  readonly isolation?: Isolation;
  readonly partitions?: readonly number[];
  /** Inclusive; only records in the window are counted and hashed. */
  readonly fromTimestampMs?: number;
  /** Inclusive. */
  readonly toTimestampMs?: number;
  /** `log` ends each partition before its first record past `toTimestampMs`; default `timestamp` filters. */
  readonly cut?: 'timestamp' | 'log';
  /** By partition: from inclusive, end exclusive. */
  readonly offsets?: Readonly<Record<number, { readonly fromOffset?: bigint; readonly endOffset?: bigint }>>;
  /** Most that one answer brings of one partition; 8 MiB unless given. */
  readonly fetchBytes?: number;
}

export interface PartitionDigest {
  readonly recordCount: number;
  /** Keys, values and headers, without lengths. */
  readonly payloadBytes: number;
  /** SHA-256 over the records in log order, without their offsets. */
  readonly sha256: string;
  /** Value of the hash after every 1,000 records. */
  readonly checkpoints: readonly string[];
  /** `CreateTime`, `LogAppendTime`, both or (without records) none. */
  readonly timestampTypes: readonly string[];
  readonly minTimestampMs: number | null;
  readonly maxTimestampMs: number | null;
  /** Of the first and last record that counted; null without records. */
  readonly firstOffset: bigint | null;
  readonly lastOffset: bigint | null;
  /** Where reading began, and the exclusive end it reached. */
  readonly startOffset: bigint;
  readonly endOffset: bigint;
}

export interface ListedRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly timestampType: string;
  /** -1 when the broker did not say. */
  readonly leaderEpoch: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

export interface LogSegmentDump {
  readonly batches: number;
  readonly batchesByCodec: Readonly<Partial<Record<Codec, number>>>;
  /** Control records included. */
  readonly records: number;
  readonly firstOffset: bigint | null;
  readonly lastOffset: bigint | null;
  /** At least one batch, all of them valid, and no complaint by the tool. */
  readonly isValid: boolean;
  readonly errors: readonly string[];
  /** The last lines of the tool's report. */
  readonly tail: string;
}

/** A batch of a transaction as it lies in the log. */
export interface TransactionalBatch {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly producerId: string;
  /** True for the marker that ends a transaction. */
  readonly isControl: boolean;
  /** The highest of its records. */
  readonly timestampMs: number;
}
