// Waits for a topic that a restore fills, so that a test acts while the restore is under way.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from './agent-process.ts';
import type { KafkaProbe } from './kafka-probe.ts';

const POLL_MS = 20;

/** Waits until the topic holds more than `count` records. @returns how many. Fails when the agent has ended before. */
export async function recordsBeyond(
  probe: KafkaProbe,
  topic: string,
  count: bigint,
  agent: AgentProcess,
): Promise<bigint> {
  for (;;) {
    const ends = await probe.endOffsets(topic).catch(() => new Map<number, bigint>());
    const held = [...ends.values()].reduce((total, end) => total + end, 0n);
    if (held > count) return held;
    assert.ok(agent.isRunning, `the restore ended before it was looked at\n${agent.stderr}`);
    await sleep(POLL_MS);
  }
}
