// OSO kafka-backup itself: its real backups in test/fixtures/peer-backup, the topics that they were made of, and the program where it
// is at hand. The fixture was made by backUp() of the topics that fillSource() writes, once for each compression.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from './cache.ts';
import type { KafkaProbe, RecordToSend } from './kafka-probe.ts';

const PROGRAM = resolve(projectRoot, '..', 'shared', 'peer', 'oso-kafka-backup');
const RUN_TIMEOUT_MS = 60_000;

/** A store with the backups {@link PEER_COMPRESSIONS}. */
export const PEER_FIXTURE = join(projectRoot, 'test', 'fixtures', 'peer-backup');
export const PEER_COMPRESSIONS = ['zstd', 'lz4', 'none'] as const;
export const isPeerAtHand = existsSync(PROGRAM);

/** Two partitions, of which one begins behind offset 0, and a topic with a committed and an aborted transaction. */
export const PLAIN_TOPIC = 'peer-plain';
export const TRANSACTIONAL_TOPIC = 'peer-transactions';
/** Records that a restore of each has: what the peer took for records, the ends of transactions left out. */
export const RECORDS = { [PLAIN_TOPIC]: 30 + 12 - 3, [TRANSACTIONAL_TOPIC]: 4 + 3 };

const T0 = 1_700_000_000_000;
const SEGMENT_RECORDS = 12;

/** Keys, values and headers of every form that the peer carries; it drops repeated headers and takes null headers for empty ones. */
function plainRecords(count: number): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => ({
    key: index % 5 === 0 ? null : index % 7 === 0 ? '' : `key-${index % 4}`,
    value:
      index % 6 === 1
        ? null
        : index % 9 === 2
          ? ''
          : index % 4 === 3
            ? Buffer.from([index, 0xff, 0])
            : `{"order":${index}}`,
    timestampMs: T0 + (index % 3 === 0 ? -1000 : 0) + index * 10,
    headers:
      index % 2 === 0
        ? []
        : [
            { key: 'trace', value: `t-${index}` },
            { key: 'x-original-offset', value: Buffer.alloc(8, index) },
            { key: 'empty', value: '' },
          ],
  }));
}

function numbered(name: string, count: number): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => ({ key: name, value: `${index}`, timestampMs: T0 + index }));
}

/** Writes the source's topics: the same records each time. */
export async function fillSource(probe: KafkaProbe): Promise<void> {
  await probe.createTopic(PLAIN_TOPIC, { partitions: 2 });
  await probe.produceRecords(PLAIN_TOPIC, 0, plainRecords(20));
  await probe.produceRecords(PLAIN_TOPIC, 0, plainRecords(10), { codec: 'lz4' });
  await probe.produceRecords(PLAIN_TOPIC, 1, plainRecords(12), { oneBatchPerRecord: true });
  await probe.deleteRecords(PLAIN_TOPIC, 1, 3n);
  await probe.createTopic(TRANSACTIONAL_TOPIC);
  const at = { topic: TRANSACTIONAL_TOPIC, partition: 0 };
  await probe.produceRecords(at.topic, at.partition, numbered('done', 4), { transactionalId: 'done' });
  await probe.produceRecords(at.topic, at.partition, numbered('undone', 3), {
    transactionalId: 'undone',
    outcome: 'abort',
  });
}

/** Backs the source's topics up into `store`, once for each compression, or what `change` says; again after an earlier time. */
export async function backUp(
  bootstrap: string,
  store: string,
  directory: string,
  change: {
    readonly topics?: readonly string[];
    readonly segmentRecords?: number;
    /** From the backup's id to its compression. */
    readonly backups?: Readonly<Record<string, string>>;
  } = {},
): Promise<void> {
  const { topics = [PLAIN_TOPIC, TRANSACTIONAL_TOPIC], segmentRecords = SEGMENT_RECORDS } = change;
  const { backups = Object.fromEntries(PEER_COMPRESSIONS.map((compression) => [compression, compression])) } = change;
  await mkdir(store, { recursive: true });
  for (const [backupId, compression] of Object.entries(backups)) {
    const file = join(directory, `peer-${backupId}.yaml`);
    const config = {
      mode: 'backup',
      backup_id: backupId,
      source: { bootstrap_servers: [bootstrap], topics: { include: topics } },
      storage: { backend: 'filesystem', path: store },
      backup: {
        compression,
        stop_at_current_offsets: true,
        segment_max_records: segmentRecords,
        // The third header that it may add.
        ...(compression === 'lz4' ? { source_cluster_id: 'cluster-of-the-source' } : {}),
      },
      metrics: { enabled: false },
    };
    // JSON is YAML.
    await writeFile(file, JSON.stringify(config));
    await promisify(execFile)(PROGRAM, ['backup', '--config', file], { cwd: directory, timeout: RUN_TIMEOUT_MS });
  }
}
