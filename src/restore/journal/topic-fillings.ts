// Which restore fills a target topic. One at a time: the next filling of the same life of a topic is put only when the one before
// is complete, or its restore gave way before it wrote anything or was abandoned. So two restores, of whatever request, never write side by side
// into one topic; that they are restores of one backup is all it takes.

import type { ObjectLayout } from '../../catalog/object-layout.ts';
import { BackupError } from '../../model/errors.ts';
import { parseJson, toJson } from '../../model/json-fields.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { RestoreJournal } from './restore-journal.ts';

/** Others that begin to fill the same topic at the same moment. */
const MOST_RIVALS = 100;

export class TopicFillings {
  readonly #store: ObjectStore;
  readonly #layout: ObjectLayout;

  constructor(store: ObjectStore, layout: ObjectLayout) {
    this.#store = store;
    this.#layout = layout;
  }

  /** Id of the unfinished restore that fills this life of a topic. */
  async fillerOf(topicId: string): Promise<string | undefined> {
    const { restore } = await this.#last(topicId);
    return restore !== undefined && (await this.#isUnfinished(restore)) ? restore : undefined;
  }

  /** Id of the restore that has begun to fill this life of a topic last, unfinished or not. */
  async lastFillerOf(topicId: string): Promise<string | undefined> {
    return (await this.#last(topicId)).restore;
  }

  /** Undefined when the restore may fill the topic, now or still; else the id of the one that does. */
  async begin(topicId: string, restore: string): Promise<string | undefined> {
    for (let rival = 0; rival < MOST_RIVALS; rival += 1) {
      const last = await this.#last(topicId);
      if (last.restore === restore) return undefined;
      if (last.restore !== undefined && (await this.#isUnfinished(last.restore))) return last.restore;
      // Whoever was first is found by the next look, be it this restore, whose answer was lost.
      const filling = Buffer.from(`${toJson({ restore })}\n`);
      if ((await this.#store.putIfAbsent(this.#layout.filling(topicId, last.number + 1), [filling])) === 'created') {
        return undefined;
      }
    }
    throw new BackupError('RESTORE_CONFLICT', `too many restores begin to fill the topic with id ${topicId}`);
  }

  async #last(topicId: string): Promise<{ readonly number: number; readonly restore: string | undefined }> {
    let number = 0;
    let last: string | undefined;
    for await (const { key } of this.#store.list(this.#layout.fillingPrefix(topicId))) {
      number += 1;
      last = key;
    }
    const bytes = last === undefined ? undefined : await this.#store.get(last);
    if (last === undefined || bytes === undefined) return { number, restore: undefined };
    return { number, restore: parseJson(bytes, last, 'OBJECT_CORRUPT').string('restore') };
  }

  async #isUnfinished(restore: string): Promise<boolean> {
    const journal = new RestoreJournal(this.#store, this.#layout, restore);
    if ((await journal.intent()) === undefined) return false;
    return !(await journal.isComplete()) && (await journal.endedAs()) === undefined;
  }
}
