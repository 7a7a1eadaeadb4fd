// Reads the whole catalog as it was written, from its first commit, and goes on behind whatever is wrong with it: a commit that
// is missing or damaged, a chain that breaks, actions that do not tile. A reader stops there; this lists them all. Checkpoints
// are held against the log, since readers believe them.

import { createHash } from 'node:crypto';
import { CatalogState } from '../catalog/catalog-state.ts';
import { readCheckpoint } from '../catalog/checkpoint/checkpoint.ts';
import { type CatalogAction, type Commit, decodeCommit, partitionOf } from '../catalog/commit.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { BackupError, errorOf } from '../model/errors.ts';
import { addRequests } from '../model/request-counts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { type CatalogDigest, digestDifferences, digestOf } from './catalog-digest.ts';
import type { ProblemList } from './problem-list.ts';
import { SegmentKeys } from './segment-keys.ts';
import { tilingFault } from './tiling.ts';

/** Commits read at once. */
const READ_AHEAD = 16;

interface FoundCommit {
  readonly version: number;
  readonly key: string;
  /** Undefined when it went away after it was listed; the error that reading it ended with. */
  readonly bytes: Uint8Array | Error | undefined;
}

export class CatalogAudit {
  /** What the readable commits add up to. */
  readonly state = new CatalogState();
  /** Version of the checkpoint that was held against the log; null when there is none that can be read. */
  checkpointVersion: number | null = null;
  commits = 0;
  readonly #store: ObjectStore;
  readonly #layout: ObjectLayout;
  readonly #problems: ProblemList;
  readonly #segmentKeys = new SegmentKeys();
  /** Hash that the next commit must name; undefined behind a hole, where nothing can be said. */
  #previousSha256: string | undefined = '';
  #checkpoint: CatalogDigest | undefined;
  /** True once the log lacks something: then it is no measure for a checkpoint, which may be all that still tells it. */
  #hasLost = false;

  constructor(store: ObjectStore, layout: ObjectLayout, problems: ProblemList) {
    this.#store = store;
    this.#layout = layout;
    this.#problems = problems;
  }

  /** @throws FORMAT_TOO_NEW, INTERRUPTED, and what the store fails with. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#loadCheckpoint();
    for await (const found of this.#foundCommits()) {
      if (signal.aborted)
        throw new BackupError('INTERRUPTED', `the validation of ${this.#layout.backupId} was stopped`);
      this.#follow(found);
      if (this.#checkpoint?.version === this.state.version) this.#compareCheckpoint(this.#checkpoint);
    }
    const ahead = this.#checkpoint;
    if (ahead !== undefined && ahead.version > this.state.version) {
      const key = this.#layout.checkpoint(ahead.version);
      this.#report(
        key,
        `the checkpoint ${key} is of version ${ahead.version}, but the log ends at ${this.state.version}`,
      );
    }
  }

  /** The newest checkpoint that can be read, as a reader would choose it; those that cannot are problems. */
  async #loadCheckpoint(): Promise<void> {
    const versions: number[] = [];
    for await (const { key } of this.#store.list(this.#layout.checkpointPrefix)) {
      const version = this.#layout.versionOfCheckpoint(key);
      if (version === undefined) break;
      versions.push(version);
    }
    for (const version of versions.reverse()) {
      try {
        this.#checkpoint = digestOf(await readCheckpoint(this.#store, this.#layout, version));
        this.checkpointVersion = version;
        return;
      } catch (error) {
        this.#problems.addFailure(error, { key: this.#layout.checkpoint(version) });
      }
    }
  }

  #compareCheckpoint(checkpoint: CatalogDigest): void {
    if (this.#hasLost) return;
    const key = this.#layout.checkpoint(checkpoint.version);
    for (const difference of digestDifferences(checkpoint, digestOf(this.state))) {
      this.#report(key, `the checkpoint ${key} is wrong: ${difference}; it may be deleted`);
    }
  }

  /** In the order of their versions, some of them read ahead. */
  async *#foundCommits(): AsyncGenerator<FoundCommit> {
    const ahead: Promise<FoundCommit>[] = [];
    for await (const { key } of this.#store.list(this.#layout.catalogPrefix)) {
      if (key.startsWith(this.#layout.checkpointPrefix)) break;
      const version = this.#layout.versionOfCommit(key);
      if (version === undefined) continue;
      ahead.push(
        this.#store.get(key).then(
          (bytes) => ({ version, key, bytes }),
          (error: unknown) => ({ version, key, bytes: errorOf(error) }),
        ),
      );
      const next = ahead.length > READ_AHEAD ? ahead.shift() : undefined;
      if (next !== undefined) yield await next;
    }
    for (const next of ahead) yield await next;
  }

  #follow({ version, key, bytes }: FoundCommit): void {
    const expected = this.state.version + 1;
    if (version !== expected) {
      const missing = expected === version - 1 ? `commit ${expected} is` : `commits ${expected} to ${version - 1} are`;
      this.#lose(expected, `${missing} missing from the catalog`);
    }
    this.state.version = version;
    if (bytes === undefined) {
      this.#lose(version, `commit ${version} is missing from the catalog`);
      return;
    }
    if (bytes instanceof Error) {
      this.#problems.addFailure(bytes, { key }, this.#adviceOn(version));
      this.#previousSha256 = undefined;
      this.#hasLost = true;
      return;
    }
    this.commits += 1;
    const previousSha256 = this.#previousSha256;
    this.state.sha256 = createHash('sha256').update(bytes).digest('hex');
    this.#previousSha256 = this.state.sha256;
    try {
      this.#apply(decodeCommit(bytes, key), key, previousSha256);
    } catch (error) {
      this.#problems.addFailure(error, { key }, this.#adviceOn(version));
      this.#hasLost = true;
    }
  }

  /** Commits from `version` on are gone. */
  #lose(version: number, message: string): void {
    this.#report(this.#layout.commit(version), `${message}${this.#adviceOn(version)}`);
    this.#previousSha256 = undefined;
    this.#hasLost = true;
  }

  /** A commit that is lost before a checkpoint is told by it alone. */
  #adviceOn(version: number): string {
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined || checkpoint.version < version) return '';
    return `; keep the checkpoint ${this.#layout.checkpoint(checkpoint.version)}, which still tells what was committed`;
  }

  #apply(commit: Commit, key: string, previousSha256: string | undefined): void {
    const { version } = this.state;
    if (commit.version !== version) this.#report(key, `${key} says it is commit ${commit.version}`);
    if (previousSha256 !== undefined && commit.previousSha256 !== previousSha256) {
      const changed = version === 1 ? 'it was changed' : `one of the two was changed`;
      this.#report(key, `commit ${version} does not follow commit ${version - 1} as it is: ${changed}`);
      this.#hasLost = true;
    }
    this.state.committedAtMs = commit.committedAtMs;
    addRequests(this.state.requests, commit.requests);
    for (const action of commit.actions) {
      try {
        this.#applyAction(action, key);
      } catch (error) {
        this.#problems.addFailure(error, { key });
      }
    }
  }

  /** Applies what can be applied, so that what follows is judged by it. @throws CATALOG_CORRUPT when it cannot. */
  #applyAction(action: CatalogAction, commitKey: string): void {
    if (action.kind === 'segment') this.#admitKey(action.segment.key, commitKey);
    if (action.kind === 'remove' && !this.#segmentKeys.delete(action.key)) {
      throw new BackupError('CATALOG_CORRUPT', `${commitKey} removes ${action.key}, which was not committed`);
    }
    const identity = partitionOf(action);
    const history = this.state.historyOf(action);
    const fault = history === undefined ? undefined : tilingFault(history, action);
    if (identity !== undefined && fault !== undefined) {
      const { topic, partition } = identity;
      const key = action.kind === 'segment' ? action.segment.key : commitKey;
      const message = `${topic}/${partition}, commit ${this.state.version}: ${fault.message}`;
      this.#problems.add({ code: 'CATALOG_CORRUPT', message, key, topic, partition, offset: fault.offset });
    }
    this.state.applyAction(action);
  }

  #admitKey(key: string, commitKey: string): void {
    this.#layout.assertSegmentKey(key);
    if (this.#segmentKeys.add(key)) return;
    throw new BackupError('CATALOG_CORRUPT', `${commitKey} commits ${key}, which was committed before`);
  }

  #report(key: string, message: string): void {
    this.#problems.add({ code: 'CATALOG_CORRUPT', message, key });
  }
}
