// What is read from the source, how it is packed, and how often it becomes durable (DESIGN 5, and the defaults of DESIGN 7).

import type { Assignment, StartOffset } from '../formats/collection-formats.ts';
import { GIB, KIB, MIB } from '../formats/number-formats.ts';
import {
  assignment,
  bytes,
  choice,
  count,
  durationMs,
  durationSecs,
  flag,
  opaque,
  startOffset,
  text,
  texts,
} from './leaf.ts';

const DAY_MS = 86_400_000;
const ALL: Assignment = { kind: 'all' };
const EARLIEST: StartOffset = { kind: 'earliest' };

export function backupSection() {
  return { ...whatToRead(), ...howToFetch(), ...howToPack(), ...whenDurable(), ...inactiveKeys() };
}

function whatToRead() {
  return {
    continuous: flag({
      doc: 'Keep running and follow the topics, instead of ending at the end of the log.',
      default: false,
    }),
    stop_at_current_offsets: flag({
      doc: 'A backup that is not continuous ends at the high watermarks seen at its start, also where producers go on writing, and whatever stands here; `true` says it once more.',
      default: false,
    }),
    start_offset: startOffset({
      doc: 'Where to begin with topics that the catalog does not know yet; an offset beyond an end of the log means that end, and topics and partitions that the source does not have are named in the log. It is committed as soon as they are found, empty ones included: from then on they continue where their last commit ends. What appears later is wanted from its beginning, whether or not an agent runs then: partitions that are added, a topic that is made again; also topics that appear while the agent runs.',
      default: EARLIEST,
    }),
    assignment: assignment({ doc: 'Which partitions this agent backs up.', default: ALL }),
    on_missing_topic: choice(['wait', 'fail'], {
      doc: 'What to do when a topic named literally does not exist: report and wait for it, or refuse to start. `warn` means `wait`.',
      default: 'wait',
      aliases: { warn: 'wait' },
    }),
    topic_refresh_interval_secs: durationSecs({
      doc: 'How often to look for new topics and partitions.',
      unit: 's',
      default: 60,
      min: 1,
      max: 86_400,
    }),
    include_internal_topics: flag({ doc: 'Also back up the topics listed in `internal_topics`.', default: false }),
    internal_topics: texts({ doc: 'Internal topics to back up, by exact name.', default: [] }),
  };
}

function howToFetch() {
  return {
    max_concurrent_partitions: count({
      doc: 'Partitions that catch up at once; one that has caught up costs no slot.',
      unit: 'partitions',
      default: 4,
      min: 1,
      max: 1024,
    }),
    fetch_min_bytes: bytes({
      doc: 'The broker waits for this much data, as `fetch.min.bytes`. Left out, it is never more than `fetch_max_bytes`.',
      unit: 'bytes',
      default: MIB,
      min: 1,
      max: GIB,
    }),
    fetch_max_wait_ms: durationMs({
      doc: 'The broker waits at most this long for it, as `fetch.max.wait.ms`.',
      unit: 'ms',
      default: 500,
      min: 0,
      max: 60_000,
    }),
    fetch_max_bytes: bytes({
      doc: 'Most data in one fetch from one broker, as `fetch.max.bytes`. Best as large as `frame_bytes`: such answers are compressed where they arrived, without a copy. An answer beyond 256 MiB, headers included, is not read.',
      unit: 'bytes',
      default: 4 * MIB,
      min: KIB,
      max: 128 * MIB,
    }),
    max_partition_fetch_bytes: bytes({
      doc: 'Most data of one partition in one fetch, as `max.partition.fetch.bytes`.',
      unit: 'bytes',
      default: 10 * MIB,
      min: KIB,
      max: GIB,
    }),
    memory_budget_bytes: bytes({
      doc: 'Fetched data held at once, over all partitions. Fetching pauses above it. At least `fetch_max_bytes`.',
      unit: 'bytes',
      default: 40 * MIB,
      min: MIB,
      max: 64 * GIB,
    }),
    upload_budget_bytes: bytes({
      doc: 'What all segments being written to a cloud store hold in memory together, in parts that are not full. Above it fetching pauses and the largest segments are sealed early. At least `part_size_bytes`.',
      unit: 'bytes',
      default: 512 * MIB,
      min: 5 * MIB,
      max: 64 * GIB,
    }),
  };
}

function howToPack() {
  return {
    compression: choice(['zstd', 'lz4', 'none'], { doc: 'Codec of the stored segments.', default: 'zstd' }),
    compression_level: count({
      doc: 'Level of zstd; other codecs have none. Level 3 has smaller tables here than in the library: faster, for the same size.',
      default: 3,
      min: 1,
      max: 22,
    }),
    compression_threads: count({
      doc: 'Threads that compress.',
      default: null,
      min: 1,
      max: 256,
      defaultText: 'as many as the process may use cores',
    }),
    recompress: choice(['auto', 'always', 'never'], {
      doc: 'Whether batches that producers compressed are expanded first: always, never, or where a sample shows that it saves at least 20 %.',
      default: 'auto',
    }),
    segment_max_bytes: bytes({
      doc: 'Seal a segment at this size, counted before compression.',
      unit: 'bytes',
      default: 128 * MIB,
      min: KIB,
      max: 16 * GIB,
    }),
    segment_max_interval_ms: durationMs({
      doc: 'Seal a segment when its oldest record has been held this long.',
      unit: 'ms',
      default: 60_000,
      min: 100,
      max: 7 * DAY_MS,
    }),
    segment_max_records: count({
      doc: 'Seal a segment at this number of records.',
      unit: 'records',
      default: null,
      min: 1,
      defaultText: 'no limit',
    }),
    frame_bytes: bytes({
      doc: 'Size of the independently readable parts of a segment, before compression. Never more than `segment_max_bytes`.',
      unit: 'bytes',
      default: 4 * MIB,
      min: KIB,
      max: 64 * MIB,
    }),
  };
}

function whenDurable() {
  return {
    checkpoint_interval_secs: durationSecs({
      doc: 'Longest time that a sealed segment waits for its commit; the shorter of this and `sync_interval_secs` counts. 0: it does not wait.',
      unit: 's',
      default: 30,
      min: 0,
      max: 86_400,
    }),
    sync_interval_secs: durationSecs({
      doc: 'See `checkpoint_interval_secs`.',
      unit: 's',
      default: 30,
      min: 0,
      max: 86_400,
    }),
    shutdown_timeout_secs: durationSecs({
      doc: 'Time to seal, upload and commit after a signal to stop.',
      unit: 's',
      default: 60,
      min: 1,
      max: 86_400,
    }),
  };
}

function inactiveKeys() {
  return {
    poll_interval_ms: durationMs({
      doc: 'Pause between two passes over the partitions.',
      unit: 'ms',
      default: 100,
      min: 0,
      max: DAY_MS,
      status: {
        kind: 'notice',
        text: 'there are no passes to pause between; the broker paces fetches by fetch_min_bytes and fetch_max_wait_ms.',
      },
    }),
    include_offset_headers: flag({
      doc: 'Add headers with the original offset to every record.',
      default: false,
      status: {
        kind: 'notice',
        text: 'records are stored as they are, no header is added; offsets are part of the format.',
        quietWhen: false,
      },
    }),
    source_cluster_id: text({
      doc: 'Name of the source cluster for those headers.',
      default: null,
      status: { kind: 'notice', text: 'the cluster id is read from the brokers.' },
    }),
    consumer_group_snapshot: flag({
      doc: 'Also store the offsets of consumer groups.',
      default: false,
      status: { kind: 'notice', text: 'offsets of consumer groups are not stored in this version.', quietWhen: false },
    }),
    capture_topic_configs: flag({
      doc: 'Also store topic configurations.',
      default: true,
      status: { kind: 'notice', text: 'topic configurations are always stored.', quietWhen: true },
    }),
    retention: opaque({
      doc: 'Limits after which old segments are removed.',
      default: new Map(),
      status: { kind: 'notice', text: 'nothing is removed from a backup in this version.' },
    }),
    circuit_breaker: opaque({
      doc: 'Limits for calls that keep failing.',
      default: new Map(),
      status: { kind: 'notice', text: 'retries with back-off are built in and bounded.' },
    }),
  };
}
