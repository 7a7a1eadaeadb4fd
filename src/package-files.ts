// Files of this package that are found by their place. From here they are as far away in the built package, where every module
// lies in dist, as they are from the source: so this file stays directly in src.

import { createRequire } from 'node:module';

/** The code of the worker threads. */
export function frameWorkerEntry(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'cjs';
  return new URL(`./frame-worker.${extension}`, import.meta.url);
}

export function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string };
  return version;
}
