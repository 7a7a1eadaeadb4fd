// Topics whose records a restore to an instant or a window has to choose from: by the millisecond, in order and out of order, and
// by when a transaction was committed.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DigestOptions, KafkaProbe, RecordToSend } from '../kafka-probe.ts';
import { CODECS, T0 } from './fidelity-topics.ts';

/** Of each of {@link TIMED_TOPICS}. */
export const TIMED_RECORDS = 4000;
/** From one record to the next, in order or not; the first is of {@link T0}. */
export const STEP_MS = 10;
export const TIMED_TOPICS = ['in-order', 'out-of-order'] as const;
/** Section `backup`: small, so that a window cuts segments, frames and batches. */
export const SMALL_PARTS = { segment_max_bytes: '256KiB', frame_bytes: '64KiB' };

/** Fills {@link TIMED_TOPICS}. */
export async function fillTimed(probe: KafkaProbe): Promise<void> {
  await probe.createTopic('in-order', { partitions: 2 });
  for (const [index, codec] of CODECS.entries()) {
    const records = TIMED_RECORDS / CODECS.length;
    const times = { startTimestampMs: T0, timestampStepMs: STEP_MS };
    await probe.produce('in-order', { records, firstIndex: index * records, codec, ...times });
  }
  await probe.createTopic('out-of-order');
  for (let batch = 0; batch < 40; batch += 1) {
    await probe.produceRecords('out-of-order', 0, disordered(batch), { codec: CODECS[batch % CODECS.length]! });
  }
}

/** A batch whose timestamps go back and forth, and overlap those of all other batches around it. */
function disordered(batch: number): RecordToSend[] {
  return Array.from({ length: 100 }, (_, index) => ({
    key: `${batch}/${index}`,
    value: 'x'.repeat(300),
    timestampMs: T0 + ((batch * 100 + index * 37 + (index % 3) * 900) % TIMED_RECORDS) * STEP_MS,
  }));
}

const INSTANT = T0 + (TIMED_RECORDS / 2) * STEP_MS;
const WINDOW = { start: T0 + 1000 * STEP_MS, end: T0 + 2500 * STEP_MS };

/** How to ask a restore for each, and what of the source a consumer is to find then. */
interface TimedRestore {
  readonly args?: readonly string[];
  /** Section `restore`. */
  readonly restore?: Readonly<Record<string, unknown>>;
  readonly expected: DigestOptions;
}

export const TIMED_RESTORES = {
  /** That millisecond included. */
  instant: { args: ['--to', String(INSTANT)], expected: { toTimestampMs: INSTANT } },
  /** Both ends included. */
  window: {
    restore: { time_window_start: WINDOW.start, time_window_end: new Date(WINDOW.end).toISOString() },
    expected: { fromTimestampMs: WINDOW.start, toTimestampMs: WINDOW.end },
  },
  /** In log order, up to the first record past it. */
  cut: {
    args: ['--to', new Date(INSTANT + 3).toISOString()],
    restore: { cut: 'log' },
    expected: { toTimestampMs: INSTANT + 3, cut: 'log' },
  },
} satisfies Readonly<Record<string, TimedRestore>>;

/** Within the hour that a broker lets clocks be ahead. */
const AHEAD_MS = 1_800_000;

/**
 * `decided`: a transaction committed before the returned instant, one committed after it, and plain records between and behind;
 * 30 in all. `decided-expected` holds the 15 that a consumer saw at the instant.
 */
export async function fillDecided(probe: KafkaProbe): Promise<number> {
  await probe.createTopic('decided');
  await probe.createTopic('decided-expected');
  const early = ofNow('early', 10);
  await probe.produceRecords('decided', 0, early, { transactionalId: 'early' });
  await probe.produceRecords('decided-expected', 0, early);
  await probe.txBegin('late');
  await probe.txSend('late', 'decided', 0, ofNow('late', 10));
  const plain = ofNow('plain', 5);
  await probe.produceRecords('decided', 0, plain);
  await probe.produceRecords('decided-expected', 0, plain);
  await sleep(20);
  const instant = Date.now();
  await sleep(20);
  await probe.txCommit('late');
  await probe.produceRecords('decided', 0, ofNow('after', 5));
  return instant;
}

/**
 * `straddled`: a transaction whose records lie before a record of the future and whose commit marker, of now, lies behind it;
 * 25 records in all. With `cut: log` the log of the returned instant ends before that record: `straddled-expected` holds the 10
 * that were committed there.
 */
export async function fillStraddled(probe: KafkaProbe): Promise<number> {
  await probe.createTopic('straddled');
  await probe.createTopic('straddled-expected');
  const early = ofNow('early', 10);
  await probe.produceRecords('straddled', 0, early, { transactionalId: 'straddled-early' });
  await probe.produceRecords('straddled-expected', 0, early);
  await probe.txBegin('straddling');
  await probe.txSend('straddling', 'straddled', 0, ofNow('straddling', 10));
  const ahead = ofNow('ahead', 5).map((record) => ({ ...record, timestampMs: Date.now() + AHEAD_MS }));
  await probe.produceRecords('straddled', 0, ahead);
  await probe.txCommit('straddling');
  await sleep(20);
  return Date.now();
}

/**
 * `dropped`: of transactions, 4 records that are committed before the returned instant, 6 that are aborted before it, 3 that are
 * committed after it, and 2 that never end; and 5 plain ones.
 */
export async function fillDropped(probe: KafkaProbe): Promise<number> {
  await probe.createTopic('dropped');
  await probe.produceRecords('dropped', 0, ofNow('kept', 4), { transactionalId: 'kept' });
  await probe.produceRecords('dropped', 0, ofNow('plain', 5));
  const names = { aborted: 6, tardy: 3, hanging: 2 };
  for (const [name, count] of Object.entries(names)) {
    await probe.txBegin(name);
    await probe.txSend(name, 'dropped', 0, ofNow(name, count));
  }
  await probe.txAbort('aborted');
  await sleep(20);
  const instant = Date.now();
  await sleep(20);
  await probe.txCommit('tardy');
  return instant;
}

function ofNow(name: string, count: number): RecordToSend[] {
  return Array.from({ length: count }, (_, index) => ({ key: name, value: `${index}`, timestampMs: Date.now() }));
}
