// Changes records in the log of a broker that is down, with the CRC made right again: what no client can do, and no client notices.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sealCrc } from './record-batches.ts';

const PREFIX_BYTES = 12;

/**
 * Replaces the first `from` in the only log segment of a partition by `to`, which is as long.
 * @param logDir of a broker that is down
 * @throws when no uncompressed batch holds `from`
 */
export async function editLog(
  logDir: string,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  const file = join(logDir, `${topic}-${partition}`, '00000000000000000000.log');
  const log = await readFile(file);
  const at = log.indexOf(from);
  if (at < 0 || from.length !== to.length) throw new Error(`${file} holds no ${from}`);
  log.write(to, at, 'latin1');
  for (let position = 0; position < log.byteLength; ) {
    const sizeBytes = PREFIX_BYTES + log.readInt32BE(position + 8);
    if (at >= position && at < position + sizeBytes) sealCrc(log.subarray(position, position + sizeBytes));
    position += sizeBytes;
  }
  await writeFile(file, log);
}
