// Counts the native buffers that codecs without a reusable output leave behind in a thread. The garbage collector does not feel
// their weight, so whoever owns the thread has to.

let bytes = 0;

/** A codec made a buffer of `sizeBytes` that nobody gives back. */
export function noteNativeBuffer(sizeBytes: number): void {
  bytes += sizeBytes;
}

/** Bytes noted since {@link forgetNativeGarbage}. */
export function nativeGarbageBytes(): number {
  return bytes;
}

export function forgetNativeGarbage(): void {
  bytes = 0;
}
