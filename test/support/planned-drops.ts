// What a plan says that it drops, held against the report of the restore that carried it out.
import assert from 'node:assert/strict';
import type { JsonObject } from './agent-process.ts';

type Counts = Readonly<Record<string, number>>;

type PlannedPartition = {
  readonly partition: number;
  readonly records: number;
  readonly records_are_exact: boolean;
  readonly dropped: Readonly<Record<string, number | null>>;
  readonly dropped_certainty: Readonly<Record<string, string>>;
};

type DonePartition = {
  readonly topic: string;
  readonly partition: number;
  readonly records_restored: number;
  readonly dropped: Counts;
};

/** Sums over the plan's topics, by reason: as the plan says them. */
export function plannedDrops({
  plan,
}: JsonObject): Record<string, readonly [certainty: string, records: number | null]> {
  const [topic, ...others] = (plan as { readonly topics: readonly PlannedPartition[] }).topics;
  assert.ok(topic !== undefined && others.length === 0, 'a plan of one topic');
  const { dropped, dropped_certainty: certainty } = topic;
  return Object.fromEntries(Object.entries(dropped).map(([reason, count]) => [reason, [certainty[reason]!, count]]));
}

/** Asserts it for every partition. @returns how many counts above 0 there were, by how certain the plan is of them */
export function assertDropsAsPlanned(summary: JsonObject, where: string): Record<string, number> {
  const { topics } = summary['plan'] as {
    readonly topics: readonly { readonly topic: string; readonly partition_plans: readonly PlannedPartition[] }[];
  };
  const done = summary['partitions'] as readonly DonePartition[];
  const compared: Record<string, number> = {};
  for (const { topic, partition_plans } of topics) {
    for (const planned of partition_plans) {
      const found = done.find((one) => one.topic === topic && one.partition === planned.partition);
      assert.ok(found !== undefined, `${topic}/${planned.partition} was restored`);
      const name = `${where}: ${topic}/${planned.partition}`;
      if (planned.records_are_exact) assert.equal(found.records_restored, planned.records, name);
      for (const [reason, certainty] of Object.entries(planned.dropped_certainty)) {
        const said = planned.dropped[reason] ?? null;
        const count: number = found.dropped[reason] ?? 0;
        assert.equal(said === null, certainty === 'unknown', `${name}: ${reason}`);
        if (certainty === 'exact') assert.equal(count, said, `${name}: ${reason}`);
        if (certainty === 'at-most') assert.ok(count <= said!, `${name}: ${count} ${reason}, planned at most ${said}`);
        if (said !== null && said > 0) compared[certainty] = (compared[certainty] ?? 0) + 1;
      }
    }
  }
  return compared;
}
