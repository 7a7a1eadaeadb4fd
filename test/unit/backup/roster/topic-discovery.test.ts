import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TopicDiscovery } from '../../../../src/backup/roster/topic-discovery.ts';
import { CatalogHead } from '../../../../src/catalog/catalog-head.ts';
import type { CatalogAction } from '../../../../src/catalog/commit.ts';
import type { TopicConfigs } from '../../../../src/model/topic/topic-description.ts';
import { MemoryPartitionLog, TOPIC } from '../memory-log.ts';

const CONFIGS: TopicConfigs = { 'cleanup.policy': 'compact' };

/** `configs` is null while they cannot be read. */
class ConfiguredLog extends MemoryPartitionLog {
  configs: TopicConfigs | null = CONFIGS;

  override async describeTopicConfigs(): Promise<ReadonlyMap<string, TopicConfigs>> {
    return new Map(this.configs === null ? [] : [[TOPIC, this.configs]]);
  }
}

function discoveryOf(log: MemoryPartitionLog, warnings: unknown[] = []): TopicDiscovery {
  const logger = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message), error() {} };
  return new TopicDiscovery(log, { include: [TOPIC], exclude: [] }, logger, () => 1);
}

async function observed(discovery: TopicDiscovery): Promise<readonly CatalogAction[]> {
  return discovery.observe(await discovery.find()).observations;
}

function configsIn(actions: readonly CatalogAction[]): readonly unknown[] {
  return actions.map((action) => (action.kind === 'topic' ? action.topic.configs : action.kind));
}

describe('what is observed of a topic', () => {
  test('keeps the configuration that is known while it cannot be read, and says so once', async () => {
    const log = new ConfiguredLog([[]]);
    const warnings: unknown[] = [];
    const discovery = discoveryOf(log, warnings);
    assert.deepEqual(configsIn(await observed(discovery)), [CONFIGS]);
    log.configs = null;
    assert.deepEqual(await observed(discovery), []);
    assert.deepEqual(await observed(discovery), []);
    assert.equal(warnings.length, 1);
    log.configs = {};
    assert.deepEqual(configsIn(await observed(discovery)), [{}]);
  });

  test('keeps it over a restart, also when something else has changed', async () => {
    const former = await observed(discoveryOf(new ConfiguredLog([[]])));
    const head = new CatalogHead();
    for (const action of former) head.applyAction(action);
    const log = new ConfiguredLog([[], []]);
    log.configs = null;
    const discovery = discoveryOf(log);
    discovery.remember(head);
    const actions = await observed(discovery);
    assert.deepEqual(configsIn(actions), [CONFIGS]);
    assert.equal(actions[0]?.kind === 'topic' && actions[0].topic.partitions, 2);
  });

  test('has no configuration when none was ever read', async () => {
    const log = new ConfiguredLog([[]]);
    log.configs = null;
    assert.deepEqual(configsIn(await observed(discoveryOf(log))), [null]);
  });
});
