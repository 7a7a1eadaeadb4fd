import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codecFault } from '../../../../src/record/producer-compression.ts';
import { CheckList } from '../../../../src/restore/checks/check-list.ts';
import { checkCodecs } from '../../../../src/restore/checks/codec-checks.ts';
import type { RestoreSettings } from '../../../../src/restore/restore-settings.ts';
import { partition, plan, seen, stateOf, stored } from '../plan/plan-fixture.ts';

const A0 = partition('a', 0);
const ZSTD = plan(stateOf(seen('a', 1), stored(A0, 0n, 10n)));
const BOTH = plan(stateOf(seen('a', 1), stored(A0, 0n, 10n, { codec: 'lz4' }), stored(A0, 10n, 20n)));

/** `level message` of what is found where the libraries of `missing` cannot be loaded. */
function found(made: typeof ZSTD, compression: RestoreSettings['compression'], ...missing: string[]): string[] {
  const list = new CheckList();
  const faultOf = (codec: string) => (missing.includes(codec) ? `${codec} cannot be loaded` : undefined);
  checkCodecs(made, { compression } as RestoreSettings, faultOf, list);
  assert.deepEqual(new Set(list.checks.map(({ name }) => name)), new Set(['codecs']));
  return list.checks.map(({ level, message }) => `${level} ${message}`);
}

describe('the check of the codecs', () => {
  test('tells which are used', () => {
    assert.deepEqual(found(BOTH, 'producer'), [
      'ok objects are read with lz4, zstd, records go out as their producers compressed them',
    ]);
    assert.deepEqual(found(ZSTD, 'gzip'), ['ok objects are read with zstd, records go out with gzip']);
  });

  test('blocks where a library is missing that is needed for certain', () => {
    const objects = ['block lz4 cannot be loaded: the objects are compressed with lz4; install it'];
    assert.deepEqual(found(BOTH, 'producer', 'lz4'), objects);
    const [sent, ...others] = found(ZSTD, 'snappy', 'snappy');
    assert.match(sent ?? '', /^block snappy cannot be loaded: install it, or set restore\.compression to another/);
    assert.deepEqual(others, []);
  });

  test('warns where producers may have used a codec whose library is missing', () => {
    const warnings = found(ZSTD, 'none', 'lz4', 'snappy');
    assert.equal(warnings.length, 2);
    for (const warning of warnings)
      assert.match(warning, /^warn (lz4|snappy) cannot be loaded: batches that producers/);
  });

  test('finds every library here', () => {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) assert.equal(codecFault(codec), undefined);
  });
});
