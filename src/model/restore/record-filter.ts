// Which records of a topic are wanted, by what they hold. Part of a restore request, carried out where records are judged.

/** A record passes when it fulfils every condition that is not null. */
export interface RecordFilter {
  /** Source of a regular expression (flag `u`, unanchored) that the key, read as UTF-8, must match. A null key never does. */
  readonly keyRegex: string | null;
  /** A header of that name must be there; with `valueRegex`, one of that name whose value, read as UTF-8, matches. */
  readonly header: { readonly name: string; readonly valueRegex: string | null } | null;
}
