// Makes a broker that is down lose the end of a log, as an unclean election or a lost disk does.
import { readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';

/** Base offset i64, then the length i32 of what follows (Kafka's DefaultRecordBatch). */
const LENGTH_POSITION = 8;
const PREFIX_BYTES = 12;
/** Files that a broker makes anew out of the log. */
const DERIVED = /\.(index|timeindex|txnindex|snapshot)$/;

/**
 * Cuts the only log segment of a partition before the batch that begins at `offset`.
 * @param logDir of a broker that is down
 * @throws when no batch begins there
 */
export async function cutLog(logDir: string, topic: string, partition: number, offset: bigint): Promise<void> {
  const directory = join(logDir, `${topic}-${partition}`);
  const file = join(directory, '00000000000000000000.log');
  const log = await readFile(file);
  let position = 0;
  while (position < log.byteLength && log.readBigInt64BE(position) !== offset) {
    position += PREFIX_BYTES + log.readInt32BE(position + LENGTH_POSITION);
  }
  if (position >= log.byteLength) throw new Error(`no batch of ${file} begins at offset ${offset}`);
  await truncate(file, position);
  for (const name of await readdir(directory)) {
    if (DERIVED.test(name)) await rm(join(directory, name));
  }
}
