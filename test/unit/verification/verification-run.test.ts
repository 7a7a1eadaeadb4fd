import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestoreJournal } from '../../../src/restore/journal/restore-journal.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { type VerificationOptions, VerificationRun } from '../../../src/verification/verification-run.ts';
import { LAYOUT } from '../catalog/catalog-fixture.ts';
import { INTENT, REPORT } from '../restore/journal/journal-fixture.ts';

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

test('a damaged restore that may be the newest is not passed over for an older one', async () => {
  const store = new MemoryObjectStore();
  for (const id of ['rst_1', 'rst_2']) {
    const journal = new RestoreJournal(store, LAYOUT, id);
    await journal.putIntent({ ...INTENT, id });
    await journal.putReport({ ...REPORT, id });
  }
  const options: Partial<VerificationOptions> = { store, layout: LAYOUT };
  const damage = async (id: string, bytes: string): Promise<void> => {
    const key = LAYOUT.restoreObject(id, 'intent');
    await store.delete(key);
    await store.putIfAbsent(key, [Buffer.from(bytes)]);
  };
  const verify = () => new VerificationRun(options as VerificationOptions).run(undefined, new AbortController().signal);
  // None of a complete restore's documents is done without.
  await assert.rejects(verify(), { code: 'OBJECT_MISSING', message: /rst_2\/producers\.json is gone/ });
  await damage('rst_2', '{');
  await assert.rejects(verify(), {
    code: 'OBJECT_CORRUPT',
    message: /rst_2\/intent\.json is not JSON; .* name the one/,
  });
});
