import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestoreJournal } from '../../../src/restore/journal/restore-journal.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { type VerificationOptions, VerificationRun } from '../../../src/verification/verification-run.ts';
import { LAYOUT } from '../catalog/catalog-fixture.ts';
import { INTENT } from '../restore/journal/journal-fixture.ts';

test('a restore without an end is to be carried on, unless it was given up', async () => {
  const store = new MemoryObjectStore();
  const journal = new RestoreJournal(store, LAYOUT, INTENT.id);
  await journal.putIntent(INTENT);
  const options: Partial<VerificationOptions> = { store, layout: LAYOUT };
  const verify = () => new VerificationRun(options as VerificationOptions).run(INTENT.id, new AbortController().signal);
  await assert.rejects(verify(), { code: 'RESTORE_CONFLICT', message: /restore --resume rst_1$/ });
  await journal.putAbandoned(1000);
  await assert.rejects(verify(), {
    code: 'USAGE_INVALID',
    message: /rst_1 was given up before its end: list --restores/,
  });
});
