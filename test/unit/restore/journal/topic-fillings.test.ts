import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { ObjectLayout } from '../../../../src/catalog/object-layout.ts';
import { TopicFillings } from '../../../../src/restore/journal/topic-fillings.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { INTENT, putComplete, journalOf } from './journal-fixture.ts';

const LAYOUT = new ObjectLayout('b');
const TOPIC = `-${'t'.repeat(21)}`;

describe('a target topic', () => {
  let store: MemoryObjectStore;
  let fillings: TopicFillings;
  beforeEach(async () => {
    store = new MemoryObjectStore();
    fillings = new TopicFillings(store, LAYOUT);
    for (const id of ['rst_1', 'rst_2', 'rst_3']) await journalOf(store, LAYOUT, id).putIntent({ ...INTENT, id });
  });

  test('is filled by one restore until that one is complete', async () => {
    assert.equal(await fillings.fillerOf(TOPIC), undefined);
    assert.equal(await fillings.begin(TOPIC, 'rst_1'), undefined);
    assert.equal(await fillings.begin(TOPIC, 'rst_1'), undefined);
    assert.equal(await fillings.begin(TOPIC, 'rst_2'), 'rst_1');
    assert.equal(await fillings.fillerOf(TOPIC), 'rst_1');
    await putComplete(store, LAYOUT, 'rst_1');
    assert.equal(await fillings.fillerOf(TOPIC), undefined);
    assert.equal(await fillings.begin(TOPIC, 'rst_2'), undefined);
    assert.equal(await fillings.fillerOf(TOPIC), 'rst_2');
  });

  test('is free again when the restore gave way before it wrote, was abandoned, or is not known any more', async () => {
    await fillings.begin(TOPIC, 'rst_1');
    await journalOf(store, LAYOUT, 'rst_1').putWithdrawn('rst_0');
    assert.equal(await fillings.begin(TOPIC, 'rst_2'), undefined);
    await journalOf(store, LAYOUT, 'rst_2').putAbandoned(1);
    assert.equal(await fillings.fillerOf(TOPIC), undefined);
    assert.equal(await fillings.begin(TOPIC, 'rst_3'), undefined);
    assert.equal(await fillings.lastFillerOf(TOPIC), 'rst_3');
    await store.delete(LAYOUT.restoreObject('rst_3', 'intent'));
    assert.equal(await fillings.begin(TOPIC, 'rst_1'), undefined);
  });

  test('of restores that begin at the same moment one fills it', async () => {
    const begun = await Promise.all(['rst_1', 'rst_2'].map((id) => fillings.begin(TOPIC, id)));
    const filler = await fillings.fillerOf(TOPIC);
    assert.deepEqual(new Set(begun), new Set([filler, undefined]));
    assert.notEqual(filler, undefined);
  });
});
