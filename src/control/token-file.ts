// The token that writing calls must carry. It lives in a file, so that it is in no process list and no configuration, and is
// read again when the file changes, so that it can be exchanged without a restart. Only its SHA-256 is kept in memory;
// comparing digests takes the same time whatever was presented. A file that cannot be read any more lets nobody in.

import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { BackupError, messageOf } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';

const MIN_LENGTH = 16;
const MAX_LENGTH = 4096;

export interface TokenSource {
  /** True when `presented` is the token that the file holds now. */
  matches(presented: string): Promise<boolean>;
}

interface HeldToken {
  /** Changes with the content: time of change, size and inode. */
  readonly version: string;
  readonly digest: Buffer;
}

/** Reads the token once. @throws CONFIG_INVALID when the file cannot be read or holds no usable token. */
export async function openTokenFile(path: string, logger: Logger): Promise<TokenSource> {
  const { mode } = await stat(path).catch((cause: unknown) => {
    throw new BackupError('CONFIG_INVALID', `control.token_file ${path}: ${messageOf(cause)}`, { cause });
  });
  if ((mode & 0o007) !== 0) logger.warn('the control token can be read by every user of this host', { path });
  let held: HeldToken | null = await readToken(path, await versionOf(path));
  return {
    async matches(presented) {
      try {
        const version = await versionOf(path);
        if (held?.version !== version) held = await readToken(path, version);
      } catch (error) {
        held = null;
        logger.warn('the control token file cannot be read: writing calls are refused', { path, error });
      }
      const digest = sha256(presented);
      return held !== null && timingSafeEqual(digest, held.digest);
    },
  };
}

async function versionOf(path: string): Promise<string> {
  const { mtimeNs, size, ino } = await stat(path, { bigint: true });
  return `${mtimeNs}/${size}/${ino}`;
}

/** The token itself, for a client that presents it. @throws CONFIG_INVALID when the file cannot be read or holds none. */
export async function readTokenText(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new BackupError('CONFIG_INVALID', `control.token_file ${path}: ${messageOf(cause)}`, { cause });
  });
  const token = text.trim();
  if (token.length < MIN_LENGTH || token.length > MAX_LENGTH || !/^[\x21-\x7e]+$/.test(token)) {
    const rule = `${MIN_LENGTH} to ${MAX_LENGTH} printable ASCII characters without spaces`;
    throw new BackupError('CONFIG_INVALID', `control.token_file ${path} must hold one token of ${rule}`);
  }
  return token;
}

async function readToken(path: string, version: string): Promise<HeldToken> {
  return { version, digest: sha256(await readTokenText(path)) };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
