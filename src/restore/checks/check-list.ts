// What the checks of a preflight are handed, and where they put what they find.

import type { EffectiveConfig, RestoreSink } from '../../kafka/restore-sink.ts';
import type { SegmentSummary } from '../../model/segment/segment.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { LeftConfigs } from '../journal/left-configs.ts';
import type { IntendedTopic, RestoreIntent } from '../journal/restore-intent.ts';
import type { PreflightCheck } from '../restore-job.ts';
import { type RestorePlan, sourcesOf, type TopicRestorePlan } from '../restore-plan.ts';
import type { RestoreSettings } from '../restore-settings.ts';

/** A plan, and all that it is checked against. */
export interface PreflightInput {
  readonly plan: RestorePlan;
  readonly settings: RestoreSettings;
  readonly sink: RestoreSink;
  readonly store: ObjectStore;
  readonly nowMs: number;
  /** True when the target topics are this restore's own, of an attempt before: they need not be empty then. */
  readonly isOwn: boolean;
  /** The restore that this one carries on. */
  readonly resumed: RestoreIntent | null;
  readonly leftConfigs: LeftConfigs;
  /** Id of the unfinished restore that fills the topic of this id. */
  readonly fillerOf: (topicId: string) => Promise<string | undefined>;
}

/** What a topic's broker makes of the batches that are sent to it. */
export type BatchLimits = Pick<IntendedTopic, 'maxMessageBytes' | 'brokerCodec'>;

/** Where Kafka's own default is needed because the target does not say. */
export const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;

/** What is looked at for each target topic, and said once for all of them where nothing is found. */
export type TopicCheck = 'permission' | 'partitions' | 'batch size' | 'timestamps' | 'retention';

export class CheckList {
  readonly checks: PreflightCheck[] = [];
  readonly #lookedAt = new Map<TopicCheck, number>();

  /** One more topic was looked at, whatever was found. */
  look(name: TopicCheck): void {
    this.#lookedAt.set(name, this.lookedAt(name) + 1);
  }

  /** How many topics. */
  lookedAt(name: TopicCheck): number {
    return this.#lookedAt.get(name) ?? 0;
  }

  ok(name: string, message: string): void {
    this.checks.push({ level: 'ok', name, message });
  }

  warn(name: string, message: string): void {
    this.checks.push({ level: 'warn', name, message });
  }

  /** Nothing is written then. `message` names the remedy. */
  block(name: string, message: string): void {
    this.checks.push({ level: 'block', name, message });
  }
}

/** What the target topic is, or will be, once the restore is done. */
export interface LastingTopic {
  readonly configs: ReadonlyMap<string, EffectiveConfig>;
  /** -1 when the broker chooses. */
  readonly replicationFactor: number;
  /** True of one that exists: it keeps its own configuration, or gets back what is its own. */
  readonly isThere: boolean;
  /** Id of the restore that is carried on, which puts the topic's own configuration on at its end; null for one that begins. */
  readonly resumedId: string | null;
}

/** A number of a topic's configuration; `otherwise` where the target does not tell it. */
export function numberOf({ configs }: LastingTopic, name: string, otherwise: number): number {
  const value = configs.get(name)?.value;
  return value === undefined || value === '' ? otherwise : Number(value);
}

/** Every selected segment of a topic. */
export function segmentsOf(topic: TopicRestorePlan): SegmentSummary[] {
  return sourcesOf(topic).flatMap(({ segments }) => segments.map(({ segment }) => segment));
}
