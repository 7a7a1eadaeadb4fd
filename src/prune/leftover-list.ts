// What a run of prune has found so far, counted by kind; the first of it also by name.

const MAX_LISTED = 1000;

export interface Leftover {
  /** An object of data that no commit names, an upload that never ended, a checkpoint or part of one that others have replaced. */
  readonly kind: 'orphan' | 'upload' | 'checkpoint';
  /** Key of the object, or name of the upload. */
  readonly name: string;
  /** Null where the store does not say. */
  readonly sizeBytes: number | null;
  readonly touchedAtMs: number;
}

export interface LeftoverTally {
  readonly count: number;
  /** Of those whose size is known. */
  readonly sizeBytes: number;
}

type SparedKind = 'young' | 'older' | 'lapsing';
type TallyKind = Leftover['kind'] | SparedKind | 'hidden';

export class LeftoverList {
  /** The first thousand. */
  readonly listed: Leftover[] = [];
  readonly #tallies = new Map<TallyKind, LeftoverTally>();

  tally(kind: TallyKind): LeftoverTally {
    return this.#tallies.get(kind) ?? { count: 0, sizeBytes: 0 };
  }

  /** Removed, or to be removed. */
  add(leftover: Leftover): void {
    this.#count(leftover.kind, leftover.sizeBytes);
    if (this.listed.length < MAX_LISTED) this.listed.push(leftover);
  }

  /** Left alone, for the reason that its kind tells: see PruneReport. */
  spare(kind: SparedKind, { sizeBytes }: { readonly sizeBytes: number | null }): void {
    this.#count(kind, sizeBytes);
  }

  /** Removed, but the store keeps its bytes as an older version. */
  hide({ sizeBytes }: { readonly sizeBytes: number | null }): void {
    this.#count('hidden', sizeBytes);
  }

  #count(kind: TallyKind, bytes: number | null): void {
    const { count, sizeBytes } = this.tally(kind);
    this.#tallies.set(kind, { count: count + 1, sizeBytes: sizeBytes + (bytes ?? 0) });
  }
}
