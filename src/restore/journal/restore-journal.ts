// The journal of one restore in the backup's store: `intent` before anything is written to the target, `producers` before the
// first record, `verified` when every record is there and before the topics get their own configuration back, `report` at the
// end for good; or `withdrawn` when another restore was first at a target topic, or `abandoned` when somebody gave the restore up.
// Each is put once and never changed; whichever are there tell a later attempt where the earlier one ended.

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { ObjectLayout, RestoreObject } from '../../catalog/object-layout.ts';
import { BackupError, messageOf } from '../../model/errors.ts';
import { type JsonFields, parseJson, sealJson, toJson } from '../../model/json-fields.ts';
import type { TopicPartition } from '../../model/topic/topic-partition.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { decodeRuns, encodeRuns, type OffsetRun, placed, type SourceRun } from './offset-runs.ts';
import {
  decodeIntent,
  decodeProducers,
  encodeIntent,
  encodeProducers,
  type RestoreIntent,
  type RestoreProducers,
} from './restore-intent.ts';
import { decodeReport, encodeReport, type RestoreReport, type TargetReport } from './restore-report.ts';

const MOST_RESTORES_SEARCHED = 200;
/** Restores looked at at once. */
const READ_AHEAD = 16;
/** A piece holds so many runs that its JSON stays well below. */
const MOST_PIECE_BYTES = 64 * 1024 * 1024;

export class RestoreJournal {
  readonly id: string;
  readonly #store: ObjectStore;
  readonly #layout: ObjectLayout;

  /** @throws RESTORE_NOT_FOUND when `id` cannot be the id of a restore. */
  constructor(store: ObjectStore, layout: ObjectLayout, id: string) {
    layout.restoreObject(id, 'intent');
    this.id = id;
    this.#store = store;
    this.#layout = layout;
  }

  /** Undefined when there is no such restore. @throws OBJECT_CORRUPT, as all that read. */
  async intent(): Promise<RestoreIntent | undefined> {
    const fields = await this.#read('intent');
    return fields && decodeIntent(fields);
  }

  /** Undefined while nothing was written to the target. */
  async producers(): Promise<RestoreProducers | undefined> {
    const fields = await this.#read('producers');
    return fields && decodeProducers(fields);
  }

  /** Defined once every record is there. */
  async verified(): Promise<RestoreReport | undefined> {
    const fields = await this.#read('verified');
    return fields && decodeReport(fields);
  }

  /** Defined once the restore is complete. */
  async report(): Promise<RestoreReport | undefined> {
    const fields = await this.#read('report');
    return fields && decodeReport(fields);
  }

  async isComplete(): Promise<boolean> {
    return (await this.#store.head(this.#layout.restoreObject(this.id, 'report'))) !== undefined;
  }

  async putIntent(intent: RestoreIntent): Promise<void> {
    await this.#put('intent', encodeIntent(intent));
  }

  /** What to fail with where they are not there, although records were written: without them those would be written again. */
  lostProducers(): BackupError {
    const key = this.#layout.restoreObject(this.id, 'producers');
    const message = `${key} is gone, and with it where in the target the records of restore ${this.id} begin`;
    return new BackupError('OBJECT_MISSING', message, { context: { key } });
  }

  /** Returns those in force: another process that carries on the same restore may have been first. */
  async putProducers(producers: RestoreProducers): Promise<RestoreProducers> {
    await this.#put('producers', encodeProducers(producers));
    return (await this.producers()) ?? producers;
  }

  async putVerified(report: RestoreReport): Promise<void> {
    await this.#put('verified', toJson(encodeReport(report)));
  }

  async putReport(report: RestoreReport): Promise<void> {
    await this.#put('report', toJson(encodeReport(report)));
  }

  /** Call only before anything was written to the target. */
  async putWithdrawn(inFavourOf: string): Promise<void> {
    await this.#put('withdrawn', toJson({ inFavourOf }));
  }

  /** Call only when nothing is being written to the target and its topics have their own configuration. */
  async putAbandoned(nowMs: number): Promise<void> {
    await this.#put('abandoned', toJson({ abandonedAtMs: nowMs }));
  }

  /** Why the restore will never be carried on; undefined while it may be, or is complete. */
  async endedAs(): Promise<'withdrawn' | 'abandoned' | undefined> {
    const names = ['withdrawn', 'abandoned'] as const;
    const found = await Promise.all(names.map((name) => this.#store.head(this.#layout.restoreObject(this.id, name))));
    return names.find((_, index) => found[index] !== undefined);
  }

  /** Keeps part of a long offset map. The same part of an earlier attempt says the same. */
  async putOffsets(
    target: TopicPartition,
    piece: number,
    { runs, firstTargetOffset }: { readonly runs: readonly SourceRun[]; readonly firstTargetOffset: bigint },
  ): Promise<void> {
    const text = toJson({ firstTargetOffset, runs: encodeRuns(runs) });
    const bytes = zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    await this.#store.putIfAbsent(this.#layout.restoreOffsets(this.id, target, piece), [bytes]);
  }

  /** The offset map of one target partition, in the order of its offsets. @throws OBJECT_MISSING, OBJECT_CORRUPT. */
  async *offsets(target: TargetReport): AsyncGenerator<OffsetRun> {
    if (target.runs !== null) yield* placed(target.runs, target.startOffset);
    for (let piece = 0; piece < target.pieceCount; piece += 1) {
      const key = this.#layout.restoreOffsets(this.id, target, piece);
      const bytes = await this.#store.get(key);
      if (bytes === undefined) throw new BackupError('OBJECT_MISSING', `${key}, part of an offset map, is missing`);
      const fields = parseJson(expand(bytes, key), key, 'OBJECT_CORRUPT');
      yield* placed(decodeRuns(fields, 'runs'), fields.bigint('firstTargetOffset'));
    }
  }

  async #read(name: RestoreObject): Promise<JsonFields | undefined> {
    const key = this.#layout.restoreObject(this.id, name);
    const bytes = await this.#store.get(key);
    return bytes === undefined ? undefined : parseJson(bytes, key, 'OBJECT_CORRUPT');
  }

  /** What is there already stays: it is what an attempt before, or a lost answer, has put. */
  async #put(name: RestoreObject, object: string): Promise<void> {
    await this.#store.putIfAbsent(this.#layout.restoreObject(this.id, name), [Buffer.from(sealJson(object))]);
  }
}

/** A restore that has begun. */
export interface KnownRestore {
  readonly intent: RestoreIntent;
  readonly journal: RestoreJournal;
  readonly isComplete: boolean;
  /** It gave way to another one, or was abandoned: it is never carried on. */
  readonly isGivenUp: boolean;
}

/** Told of a restore with a document that cannot be read, and of its id. */
export type OnDamaged = (error: BackupError, id: string) => void;

/** What `read` gives of the documents of restore `id`; undefined, and told of, where one of them is damaged. */
export async function unlessDamaged<T>(
  id: string,
  onDamaged: OnDamaged,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof BackupError) || error.code !== 'OBJECT_CORRUPT') throw error;
    onDamaged(error, id);
    return undefined;
  }
}

/**
 * The newest restores that have begun, newest first. Ids are in the order of their time; older ones are known by id only. One whose
 * documents are damaged is left out: it can be neither carried on nor shown, and is no reason to refuse others. The topics that it
 * may be filling are protected by other documents (topic-fillings.ts).
 */
export async function newestRestores(
  store: ObjectStore,
  layout: ObjectLayout,
  onDamaged: OnDamaged,
): Promise<KnownRestore[]> {
  const ids: string[] = [];
  for await (const id of restoreIds(store, layout)) ids.push(id);
  const newest = ids.slice(-MOST_RESTORES_SEARCHED).reverse();
  const known: KnownRestore[] = [];
  for (let from = 0; from < newest.length; from += READ_AHEAD) {
    const read = newest
      .slice(from, from + READ_AHEAD)
      .map((id) => unlessDamaged(id, onDamaged, () => look(new RestoreJournal(store, layout, id))));
    for (const one of await Promise.all(read)) if (one !== undefined) known.push(one);
  }
  return known;
}

async function look(journal: RestoreJournal): Promise<KnownRestore | undefined> {
  const intent = await journal.intent();
  if (intent === undefined) return undefined;
  const isComplete = await journal.isComplete();
  return { intent, journal, isComplete, isGivenUp: !isComplete && (await journal.endedAs()) !== undefined };
}

/** Greater than every character that a key holds: behind it begins the next folder. */
const BEHIND_ALL_KEYS = '~';
/** Keys of one restore that are passed over one by one; behind so many the listing begins anew after its folder. */
const KEYS_PASSED_OVER = 100;

/** In the order of the ids. */
async function* restoreIds(store: ObjectStore, layout: ObjectLayout): AsyncGenerator<string> {
  let last: string | undefined;
  for (let startAfter: string | undefined = ''; startAfter !== undefined; ) {
    let passed = 0;
    const from: string = startAfter;
    startAfter = undefined;
    for await (const { key } of store.list(layout.restoresPrefix, from)) {
      const id = layout.restoreOf(key);
      passed = id === last ? passed + 1 : 0;
      if (id !== undefined && id !== last) yield id;
      last = id;
      if (id === undefined || passed < KEYS_PASSED_OVER) continue;
      startAfter = `${layout.restoresPrefix}${id}/${BEHIND_ALL_KEYS}`;
      break;
    }
  }
}

function expand(bytes: Uint8Array, key: string): Uint8Array {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: MOST_PIECE_BYTES });
  } catch (error) {
    throw new BackupError('OBJECT_CORRUPT', `${key} does not decode: ${messageOf(error)}`, { cause: error });
  }
}
