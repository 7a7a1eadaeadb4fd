// What is put back, how far, and how fast (DESIGN 6, and the defaults of DESIGN 7).

import { MIB } from '../formats/number-formats.ts';
import {
  bytes,
  choice,
  count,
  durationMs,
  durationSecs,
  flag,
  instant,
  offsets,
  opaque,
  partitionMap,
  partitions,
  path,
  regex,
  repartitioning,
  text,
  texts,
  timeZone,
  topicConfigs,
  topicMap,
  topicPatterns,
  topicTargets,
} from './leaf.ts';

const LARGEST_INT = 2_147_483_647;
/** A topic has one partition more than the number of its last. */
const LARGEST_PARTITION = LARGEST_INT - 1;
const GROUPS_LATER =
  'moving consumer groups is not available in this version. Remove the key; the restore report holds the offset map.';
const GROUPS_STAY = 'consumer groups are not moved in this version; the restore report holds the offset map.';

export function restoreSection() {
  return { ...whatToRestore(), ...whereTo(), ...howFast(), ...laterKeys(), ...inactiveKeys() };
}

function whatToRestore() {
  return {
    topics: {
      include: topicPatterns({
        doc: 'Topics of the backup to restore: exact names, globs or `~regex`. Empty means `target.topics`, and all where that is empty too.',
        default: [],
      }),
      exclude: topicPatterns({ doc: 'Topics to leave out again, written like `include`.', default: [] }),
    },
    source_partitions: partitions({
      doc: 'Restore only these partitions, of every topic.',
      default: null,
      min: 0,
      max: LARGEST_PARTITION,
      defaultText: 'all',
    }),
    time_window_start: instant({
      doc: 'Restore records from this instant on, inclusive.',
      default: null,
      defaultText: 'from the first record',
    }),
    time_window_end: instant({
      doc: 'Restore records up to this instant, inclusive. An age is another instant at each start: a restore that was killed is carried on with `--resume` then.',
      default: null,
      defaultText: 'to the last record',
    }),
    time_zone: timeZone({
      doc: 'Zone of instants that are written without one, such as `2026-11-20 03:00`. A time that its clocks skip or show twice is an error.',
      default: null,
      defaultText: 'such instants are errors',
    }),
    topic_targets: topicTargets({
      doc: 'Another recovery target for single topics of the backup. What an entry leaves out is as for the others; `time_window_end: latest` is the last record.',
      default: new Map(),
    }),
    offsets: offsets({
      doc: 'Offsets of the backup to restore, per topic and partition: `from` inclusive, `to` exclusive, as the end of the log. Partitions that are not named are restored whole.',
      default: new Map(),
    }),
    catalog_version: count({
      doc: 'Restore what the backup held at this version of its catalog.',
      default: null,
      min: 1,
      defaultText: 'the newest',
    }),
    cut: choice(['timestamp', 'log'], {
      doc: '`timestamp` keeps exactly the records inside the window; `log` keeps the log up to the first record past its end, transaction markers included, and of transactions those that were committed up to there; `offsets` takes a part of that.',
      default: 'timestamp',
    }),
    isolation: choice(['read_committed', 'read_uncommitted'], {
      doc: 'Whether records of aborted and undecided transactions are dropped or kept.',
      default: 'read_committed',
    }),
    filter: recordFilter(),
    dry_run: flag({
      doc: 'Print the plan and the checks, write nothing to the target: `--plan`, `--resume` and `--abandon` are refused.',
      default: false,
    }),
  };
}

function recordFilter() {
  return {
    key: regex({
      doc: 'Restore only records whose key, read as UTF-8, this regular expression matches.',
      default: null,
      defaultText: 'every record',
    }),
    header: text({
      doc: 'Restore only records with a header of this name.',
      default: null,
      defaultText: 'every record',
    }),
    header_value: regex({
      doc: 'Of these only those where the value of that header, read as UTF-8, matches.',
      default: null,
      defaultText: 'any value',
    }),
  };
}

function whereTo() {
  return {
    topic_mapping: topicMap({
      doc: 'Topics that get another name, from the backup’s to the target’s: by exact name, else by the first rule that fits. `prefix:prod.: test.` exchanges the beginning (`prefix:` alone adds one); `~(.*)-v1: $1` takes names that the regular expression matches whole.',
      default: new Map(),
    }),
    partition_mapping: partitionMap({
      doc: 'Partitions that get another number, in every topic.',
      default: new Map(),
      min: 0,
      max: LARGEST_PARTITION,
    }),
    repartitioning: repartitioning({
      doc: 'Target topics with another number of partitions. `murmur2` (or `automatic`) sends each record to the partition that the Java client chooses for its key; `preserve` keeps records in their partitions.',
      default: new Map(),
    }),
    topic_configs: topicConfigs({
      doc: 'Configuration entries of created topics, over those that they had; `*` is for all, null leaves an entry to the broker.',
      default: new Map(),
    }),
    create_topics: flag({ doc: 'Create missing topics as they were at the source.', default: true }),
    require_topic_configs: flag({
      doc: 'Refuse to create a topic whose configuration the backup does not hold; otherwise that is a warning.',
      default: false,
    }),
    default_replication_factor: count({
      doc: 'Replication factor of created topics.',
      default: -1,
      min: -1,
      max: 32_767,
      defaultText: '-1 or 0: as it was at the source, as far as the target has brokers',
    }),
    into_existing: choice(['refuse', 'append'], {
      doc: 'What to do with a target topic that holds records. `append` twice is refused while records of the same restore are there.',
      default: 'refuse',
    }),
    allow_log_append_time: flag({
      doc: 'Restore into a topic with `message.timestamp.type=LogAppendTime` too: it is CreateTime while the topic is filled, also for others who write to it.',
      default: false,
    }),
    include_original_offset_header: flag({
      doc: 'Add headers with the original offset, partition and timestamp to every restored record.',
      default: false,
    }),
    compression: choice(['producer', 'none', 'gzip', 'snappy', 'lz4', 'zstd'], {
      doc: 'Codec of the restored batches; `producer` is the one that the original producer used.',
      default: 'producer',
    }),
  };
}

function howFast() {
  return {
    max_concurrent_partitions: count({
      doc: 'Partitions restored at once, over all topics.',
      unit: 'partitions',
      default: 4,
      min: 1,
      max: 1024,
    }),
    rate_limit_records_per_sec: count({
      doc: 'Limit for the whole restore.',
      unit: 'records/s',
      default: null,
      min: 1,
      defaultText: 'no limit',
    }),
    rate_limit_bytes_per_sec: bytes({
      doc: 'Limit for the whole restore.',
      unit: 'bytes/s',
      default: null,
      min: 1,
      defaultText: 'no limit',
    }),
    produce_batch_size: count({
      doc: 'Most records in one produced batch; `batch_size_bytes` ends most batches before.',
      unit: 'records',
      default: 10_000,
      min: 1,
      max: 1_000_000,
    }),
    batch_size_bytes: bytes({
      doc: 'Small neighbouring batches are merged up to this size, as `batch.size`.',
      unit: 'bytes',
      default: MIB,
      min: 1,
      max: 100 * MIB,
    }),
    produce_acks: count({
      doc: 'Acknowledgements to wait for; -1 is all in-sync replicas.',
      default: -1,
      min: -1,
      max: 1,
      status: {
        kind: 'notice',
        text: 'a restore waits for all in-sync replicas, as with -1: with fewer an acknowledged record can be lost.',
        quietWhen: -1,
      },
    }),
    produce_timeout_ms: durationMs({
      doc: 'How long the target may take to acknowledge a batch. A connection is given up when it has acknowledged nothing for twice as long: raise it where a link is so slow that a batch of `batch_size_bytes` takes longer.',
      unit: 'ms',
      default: 30_000,
      min: 100,
      max: LARGEST_INT,
    }),
    outage_timeout_ms: durationMs({
      doc: 'How long a restore that has begun waits for a store or a target that is away, once a request to it has failed, before it gives up. Run again, it goes on where it stopped.',
      unit: 'ms',
      default: 7_200_000,
      min: 1000,
      max: 604_800_000,
    }),
  };
}

function laterKeys() {
  const groups = { kind: 'unavailable', text: GROUPS_LATER } as const;
  const named = { kind: 'notice', text: GROUPS_STAY } as const;
  return {
    consumer_group_strategy: choice(['skip', 'header-based', 'timestamp-based', 'cluster-scan', 'manual'], {
      doc: 'How consumer groups are moved to the restored offsets.',
      default: 'skip',
      status: { ...named, quietWhen: 'skip' },
    }),
    consumer_groups: texts({ doc: 'Consumer groups to move.', default: [], status: { ...named, quietWhen: [] } }),
    reset_consumer_offsets: flag({ doc: 'Move them after the restore.', default: false, status: groups }),
    auto_consumer_groups: flag({ doc: 'Move every group that the backup knows.', default: false, status: groups }),
    purge_topics: flag({
      doc: 'Empty the target topics first.',
      default: false,
      status: {
        kind: 'unavailable',
        text: 'a restore never deletes records: a failed one would leave nothing. Delete the topic yourself, or restore under a new name with topic_mapping.',
      },
    }),
  };
}

function inactiveKeys() {
  const notice = (message: string) => ({ kind: 'notice', text: message }) as const;
  return {
    checkpoint_state: path({
      doc: 'File for the progress of a restore.',
      default: null,
      status: notice('a resumed restore reads its progress from the target topics; no file is written.'),
    }),
    checkpoint_interval_secs: durationSecs({
      doc: 'How often to write that file.',
      unit: 's',
      default: 60,
      min: 0,
      max: 86_400,
      status: notice('a resumed restore reads its progress from the target topics.'),
    }),
    offset_report: path({
      doc: 'File for the map of source offsets to target offsets.',
      default: null,
      status: notice('the offset map is part of the restore report in the store; no file is written.'),
    }),
    strip_offset_headers: flag({
      doc: 'Remove headers that another backup tool added.',
      default: false,
      status: {
        ...notice('backups hold no added headers, and headers of the records are never removed.'),
        quietWhen: false,
      },
    }),
    header_preflight: choice(['auto', 'full', 'skip'], {
      doc: 'Search for offset headers before restoring.',
      default: 'auto',
      status: notice('offsets do not live in headers here, so there is nothing to search.'),
    }),
    circuit_breaker: opaque({
      doc: 'Limits for calls that keep failing.',
      default: new Map(),
      status: notice('retries with back-off are built in and bounded.'),
    }),
  };
}
