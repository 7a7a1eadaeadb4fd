// Keys of segments by their folder, which is that of one partition: no set of the language takes those of a large backup (2^24).

export class SegmentKeys {
  readonly #folders = new Map<string, Set<string>>();

  /** @returns false where it is there already */
  add(key: string): boolean {
    const folder = folderOf(key);
    const keys = this.#folders.get(folder) ?? new Set();
    if (keys.has(key)) return false;
    this.#folders.set(folder, keys.add(key));
    return true;
  }

  /** @returns false where it is not there */
  delete(key: string): boolean {
    return this.#folders.get(folderOf(key))?.delete(key) ?? false;
  }
}

/** The key up to its last slash. */
export function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/'));
}
