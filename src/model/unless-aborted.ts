/** What `action` gives; undefined once the signal aborts before. Then `action` goes on by itself, and nobody hears how it ends. */
export async function unlessAborted<T>(action: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  action.catch(() => {});
  if (signal.aborted) return undefined;
  const aborted = Promise.withResolvers<undefined>();
  const onAbort = (): void => aborted.resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([action, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
