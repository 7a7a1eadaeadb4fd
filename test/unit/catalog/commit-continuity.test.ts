import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import type { CatalogAction } from '../../../src/catalog/commit.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { gap, LAYOUT, ORDERS, openWriter, partition, segment, start, truncation } from './catalog-fixture.ts';

const OTHER = partition('orders', 1);

describe('the actions of one commit', () => {
  test('of a partition continue each other: the first that does not is fenced, with all behind it', async () => {
    const store = new MemoryObjectStore();
    const writer = await openWriter(store);
    const kept = [segment(ORDERS, 0n, 10n), segment(OTHER, 0n, 5n), gap(OTHER, 5n, 6n), truncation(OTHER, 4n, 1)];
    const again = segment(ORDERS, 0n, 20n);
    const behind = segment(ORDERS, 10n, 30n);
    const result = await writer.commit([kept[0]!, again, ...kept.slice(1), behind]);
    assert.deepEqual(result, { version: 1, committed: kept, fenced: [again, behind] });
    assert.deepEqual((await writer.commit([segment(ORDERS, 10n, 12n)])).fenced.length, 1);
    assert.deepEqual((await writer.commit([segment(OTHER, 4n, 8n, { timeline: 1 })])).fenced, []);
  });

  test('whatever they are, leave every timeline without overlap and hole', async () => {
    const offset = fc.integer({ min: 0, max: 6 });
    const step = fc.record({
      kind: fc.constantFrom(
        'start' as const,
        'segment' as const,
        'segment' as const,
        'gap' as const,
        'truncation' as const,
      ),
      partition: fc.nat(1),
      from: fc.option(offset),
      length: fc.integer({ min: 1, max: 3 }),
      timeline: fc.constantFrom(0, 0, 0, 1),
    });
    const commits = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(commits, async (rounds) => {
        const store = new MemoryObjectStore();
        const writer = await openWriter(store);
        /** What is to come of it: next offset and timeline, or nothing more. */
        const expected = [
          { next: undefined as bigint | undefined, timeline: 0, isLost: false },
          { next: undefined as bigint | undefined, timeline: 0, isLost: false },
        ];
        for (const round of rounds) {
          const actions: CatalogAction[] = [];
          const isKept: boolean[] = [];
          for (const { kind, partition: number, from, length, timeline: ahead } of round) {
            const at = expected[number]!;
            const identity = partition('orders', number);
            // Without an offset of its own an action continues what was there before it.
            const base = from === null ? (at.next ?? 0n) : BigInt(from);
            const end = base + BigInt(length);
            const timeline = at.timeline + ahead;
            const isNext = ahead === 0 && (at.next === undefined || at.next === base);
            if (kind === 'start') {
              actions.push(start(identity, base));
              isKept.push(!at.isLost);
              if (!at.isLost) at.next ??= base;
              continue;
            }
            if (kind === 'segment') actions.push(segment(identity, base, end, { timeline }));
            else if (kind === 'gap') actions.push(gap(identity, base, end - 1n, timeline));
            else actions.push(truncation(identity, base, timeline));
            at.isLost ||= kind === 'truncation' ? ahead !== 1 : !isNext;
            isKept.push(!at.isLost);
            if (!at.isLost) Object.assign(at, kind === 'truncation' ? { next: base, timeline } : { next: end });
          }
          const result = await writer.commit(actions);
          assert.deepEqual(
            result.committed,
            actions.filter((_, index) => isKept[index]),
          );
          assert.deepEqual(
            result.fenced,
            actions.filter((_, index) => !isKept[index]),
          );
        }
        const state = await readCatalog(store, LAYOUT, { ignoreCheckpoints: true });
        for (const number of [0, 1]) {
          const { next } = expected[number]!;
          assert.equal(state.incarnation(ORDERS.topic, ORDERS.topicId).partition(number).resume?.nextOffset, next);
        }
      }),
      { seed: 20_261_129, numRuns: 200 },
    );
  });
});
