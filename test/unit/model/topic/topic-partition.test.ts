import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addDrops, NO_DROPS } from '../../../../src/model/restore/recovery-target.ts';
import {
  comparePartitions,
  isInternalTopic,
  isTopicName,
  partitionName,
} from '../../../../src/model/topic/topic-partition.ts';

describe('a topic partition', () => {
  test('is named as Kafka\u2019s tools name it', () => {
    assert.equal(partitionName({ topic: 'orders-v2', partition: 3 }), 'orders-v2-3');
  });

  test('sorts by topic, then by number', () => {
    const partitions = [
      { topic: 'b', partition: 0 },
      { topic: 'a', partition: 10 },
      { topic: 'a', partition: 9 },
      { topic: 'B', partition: 1 },
    ];
    assert.deepEqual(partitions.toSorted(comparePartitions).map(partitionName), ['B-1', 'a-9', 'a-10', 'b-0']);
    assert.equal(comparePartitions({ topic: 'a', partition: 1 }, { topic: 'a', partition: 1 }), 0);
  });

  test('has a topic name by Kafka\u2019s own rule', () => {
    for (const name of ['a', 'A.b_c-9', '...', '.a', '-', 'x'.repeat(249)]) assert.ok(isTopicName(name), name);
    for (const name of ['', '.', '..', 'a/b', 'a b', 'a\n', 'ä', 'a\\b', 'x'.repeat(250), '../x'])
      assert.equal(isTopicName(name), false, name);
  });

  test('is internal when brokers keep the topic for themselves', () => {
    assert.deepEqual(['__consumer_offsets', '_schemas', 'a__b'].map(isInternalTopic), [true, false, false]);
  });
});

describe('counts of dropped records', () => {
  test('add up reason by reason, and leave their parts alone', () => {
    const one = { ...NO_DROPS, 'control-batch': 2 };
    const two = { ...NO_DROPS, 'control-batch': 3, 'outside-window': 1 };
    assert.deepEqual(addDrops(one, two), { ...NO_DROPS, 'control-batch': 5, 'outside-window': 1 });
    assert.deepEqual([one['control-batch'], NO_DROPS['control-batch']], [2, 0]);
  });
});
