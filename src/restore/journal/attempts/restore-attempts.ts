// The attempts at one restore, counted from 1 without a hole. Whoever puts the next `begun` owns the restore from then on; whoever
// owned it before finds that object and stops. So a restore that was killed is carried on at once, and of two processes that run
// the same one the later goes on. No clock takes part. What an attempt did is known from its marks, put while it works, since
// one that is killed has no last word.

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { ObjectLayout } from '../../../catalog/object-layout.ts';
import { BackupError } from '../../../model/errors.ts';
import { type JsonFields, parseJson, toJson } from '../../../model/json-fields.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';

/** What an attempt did, from its first look at the target on. */
export interface AttemptMark {
  readonly durationMs: number;
  readonly bytesSent: number;
  readonly bytesRead: number;
}

export const NO_ATTEMPT: AttemptMark = { durationMs: 0, bytesSent: 0, bytesRead: 0 };

/** Others that begin the same restore at the same moment. */
const MOST_RIVALS = 100;

export class RestoreAttempts {
  readonly #store: ObjectStore;
  readonly #layout: ObjectLayout;
  readonly #id: string;

  constructor(store: ObjectStore, layout: ObjectLayout, id: string) {
    this.#store = store;
    this.#layout = layout;
    this.#id = id;
  }

  /** Begins the next attempt and fences the one before. @returns its number. */
  async begin(nowMs: number): Promise<number> {
    const nonce = randomUUID();
    const claim = Buffer.from(`${toJson({ nonce, process: process.pid, host: hostname(), beganAtMs: nowMs })}\n`);
    const last = Math.max(0, ...(await this.#marks()).keys());
    for (let attempt = last + 1; attempt <= last + MOST_RIVALS; attempt += 1) {
      const outcome = await this.#store.putIfAbsent(this.#key(attempt, 'begun'), [claim]);
      // Ours, though it was there: the answer to an earlier put was lost.
      if (outcome === 'created' || (await this.#claim(attempt))?.nonce === nonce) return attempt;
    }
    throw new BackupError('RESTORE_CONFLICT', `restore ${this.#id} is begun by too many processes at once`);
  }

  /** @throws FENCED when another process has begun an attempt behind this one. */
  async assertNewest(attempt: number): Promise<void> {
    if ((await this.#store.head(this.#key(attempt + 1, 'begun'))) === undefined) return;
    const { words } = (await this.#claim(attempt + 1)) ?? { words: 'which is not known' };
    throw new BackupError(
      'FENCED',
      `restore ${this.#id} was taken over by another process, ${words}: this one has stopped writing`,
    );
  }

  /** Keeps how far an attempt has come. Marks are counted from 1. */
  async putMark(attempt: number, number: number, mark: AttemptMark): Promise<void> {
    await this.#store.putIfAbsent(this.#key(attempt, number), [Buffer.from(`${toJson(mark)}\n`)]);
  }

  /** Keeps what an attempt that did not complete has to say. */
  async putEnded(attempt: number, description: unknown): Promise<void> {
    await this.#store.putIfAbsent(this.#key(attempt, 'ended'), [Buffer.from(`${toJson(description, 2)}\n`)]);
  }

  /** What the attempts before this one did, as far as their last marks tell. */
  async doneBefore(attempt: number): Promise<AttemptMark> {
    let done = NO_ATTEMPT;
    for (const [number, mark] of await this.#marks()) {
      if (number >= attempt || mark === 0) continue;
      const { durationMs, bytesSent, bytesRead } = (await this.#mark(number, mark)) ?? NO_ATTEMPT;
      done = {
        durationMs: done.durationMs + durationMs,
        bytesSent: done.bytesSent + bytesSent,
        bytesRead: done.bytesRead + bytesRead,
      };
    }
    return done;
  }

  /** By attempt: its last mark, 0 when it has none. */
  async #marks(): Promise<ReadonlyMap<number, number>> {
    const last = new Map<number, number>();
    for await (const { key } of this.#store.list(this.#layout.attemptsPrefix(this.#id))) {
      const found = this.#layout.attemptOf(key);
      if (found !== undefined) last.set(found.attempt, Math.max(last.get(found.attempt) ?? 0, found.mark ?? 0));
    }
    return last;
  }

  #mark(attempt: number, number: number): Promise<AttemptMark | undefined> {
    return this.#read(this.#key(attempt, number), (fields) => ({
      durationMs: fields.integer('durationMs'),
      bytesSent: fields.integer('bytesSent'),
      bytesRead: fields.integer('bytesRead'),
    }));
  }

  #claim(attempt: number): Promise<{ readonly nonce: string; readonly words: string } | undefined> {
    return this.#read(this.#key(attempt, 'begun'), (fields) => ({
      nonce: fields.string('nonce'),
      words: `process ${fields.integer('process')} on ${fields.string('host')}`,
    }));
  }

  /** Undefined also for what cannot be read: that an attempt was begun is said by the object's name, and all else is for people. */
  async #read<T>(key: string, decode: (fields: JsonFields) => T): Promise<T | undefined> {
    const bytes = await this.#store.get(key);
    try {
      return bytes && decode(parseJson(bytes, key, 'OBJECT_CORRUPT'));
    } catch (error) {
      if (error instanceof BackupError && error.code === 'OBJECT_CORRUPT') return undefined;
      throw error;
    }
  }

  #key(attempt: number, name: 'begun' | 'ended' | number): string {
    return this.#layout.restoreAttempt(this.#id, attempt, name);
  }
}
