/** An action that is done once: calls while it is under way share it, and after a failure the next one tries again. */
export function once(action: () => Promise<void>): () => Promise<void> {
  let doing: Promise<void> | undefined;
  return () => {
    doing ??= action().catch((error: unknown) => {
      doing = undefined;
      throw error;
    });
    return doing;
  };
}
