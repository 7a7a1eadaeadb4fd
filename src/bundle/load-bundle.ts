// How the package's entry gets at agent.cjs, the bundle that holds nearly all of the program: with the compiled code of a start, which
// the build kept beside it. Node's own cache of compiled code (module.enableCompileCache) keeps what is compiled while a file is
// loaded, and none of the functions that run afterwards: with those, a backup asks its first broker 85 ms earlier (medians of 30
// alternating runs: 0.25 to 0.16 s until it is refused).

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

type Agent = typeof import('../agent.ts');

/** A file in CommonJS, as it was read. */
export interface Bundle {
  readonly path: string;
  readonly source: Buffer;
}

const CHECKSUM_BYTES = 4;

export function readBundle(path: string): Bundle {
  return { path, source: readFileSync(path) };
}

/** V8 rejects code of another version of itself, of other flags, or of a source of another length. */
export function compileBundle({ path, source }: Bundle, compiledCode?: Buffer): Script {
  return new Script(`(function (exports, require, module, __filename, __dirname) { ${source.toString('utf8')}\n})`, {
    filename: path,
    ...(compiledCode === undefined ? {} : { cachedData: compiledCode }),
  });
}

/** As Node runs a file in CommonJS. */
export function runBundle(script: Script, { path }: Bundle): Agent {
  const module = { exports: {} };
  const run = script.runInThisContext() as (...scope: readonly unknown[]) => void;
  run(module.exports, createRequire(path), module, path, dirname(path));
  return module.exports as Agent;
}

/** Keeps what has been compiled of a bundle by now beside it, behind a checksum of both: V8 itself takes damaged code. */
export function keepCode(bundle: Bundle, script: { createCachedData(): Uint8Array }): void {
  const compiledCode = script.createCachedData();
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt32LE(checksumOf(bundle, compiledCode));
  writeFileSync(codeFileOf(bundle), Buffer.concat([checksum, compiledCode]));
}

/** Undefined when there is none, or none of this bundle as it is. */
export function keptCode(bundle: Bundle): Buffer | undefined {
  let kept: Buffer;
  try {
    kept = readFileSync(codeFileOf(bundle));
  } catch {
    return undefined;
  }
  const compiledCode = kept.subarray(CHECKSUM_BYTES);
  const isOfBundle = compiledCode.length > 0 && kept.readUInt32LE() === checksumOf(bundle, compiledCode);
  return isOfBundle ? compiledCode : undefined;
}

/** Without code that fits, as on another version of Node, it is loaded as any file is. */
export function loadBundle(path: string): Agent {
  const bundle = readBundle(path);
  const compiledCode = keptCode(bundle);
  const script = compiledCode && compileBundle(bundle, compiledCode);
  if (script === undefined || script.cachedDataRejected === true) return createRequire(path)(path) as Agent;
  return runBundle(script, bundle);
}

function codeFileOf({ path }: Bundle): string {
  return `${path}.code`;
}

function checksumOf({ source }: Bundle, compiledCode: Uint8Array): number {
  return crc32(compiledCode, crc32(source));
}
