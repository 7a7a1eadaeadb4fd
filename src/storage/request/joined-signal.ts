// One signal for the end of a request, whoever ends it. It is to be released, since some of those outlive their requests by far, and
// what AbortSignal.any holds of them is freed only with the garbage.

export interface JoinedSignal {
  readonly signal: AbortSignal;
  readonly release: () => void;
}

/** Aborts with the reason of the first of `sources` that does. */
export function joinSignals(sources: readonly AbortSignal[]): JoinedSignal {
  const joined = new AbortController();
  const listeners = sources.map((source) => {
    const stop = (): void => joined.abort(source.reason);
    if (source.aborted) stop();
    else source.addEventListener('abort', stop, { once: true });
    return () => source.removeEventListener('abort', stop);
  });
  return {
    signal: joined.signal,
    release: () => {
      for (const remove of listeners) remove();
    },
  };
}
