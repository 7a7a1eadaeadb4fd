import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PartitionHistory } from '../../../src/catalog/catalog-state.ts';
import type { CatalogAction } from '../../../src/catalog/commit.ts';
import { tilingFault } from '../../../src/validation/tiling.ts';
import { gap, ORDERS, segment, start, truncation } from '../catalog/catalog-fixture.ts';

function faultsOf(...actions: readonly CatalogAction[]): (string | undefined)[] {
  const history = new PartitionHistory(ORDERS);
  return actions.map((action) => {
    const fault = tilingFault(history, action);
    history.apply(action);
    return fault?.message;
  });
}

describe('a partition whose start is known', () => {
  test('is sound when segments, gaps and cuts go on from there, whoever else found it', () => {
    for (const first of [segment(ORDERS, 10n, 15n), gap(ORDERS, 10n, 14n), truncation(ORDERS, 4n, 1)]) {
      assert.deepEqual(
        faultsOf(start(ORDERS, 10n), start(ORDERS, 12n), first, start(ORDERS, 0n)),
        Array(4).fill(undefined),
      );
    }
  });

  test('is faulty when they begin before or behind it', () => {
    assert.match(
      faultsOf(start(ORDERS, 10n), segment(ORDERS, 0n, 5n))[1]!,
      /a segment from offset 0 overlaps .* up to 9/,
    );
    assert.match(
      faultsOf(start(ORDERS, 10n), gap(ORDERS, 12n, 14n))[1]!,
      /offsets 10 to 11 are neither stored nor declared/,
    );
    assert.match(
      faultsOf(start(ORDERS, 10n), truncation(ORDERS, 11n, 1))[1]!,
      /cut at offset 11, where the backup had not/,
    );
  });

  test('and one of a catalog that does not tell it begins with whatever is there', () => {
    assert.deepEqual(faultsOf(segment(ORDERS, 7n, 9n), gap(ORDERS, 9n, 11n)), [undefined, undefined]);
  });
});
