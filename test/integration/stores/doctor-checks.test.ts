// What the doctor tries on a store, on real servers: all is well there, and nothing of it stays, neither an object nor an upload.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ObjectLayout } from '../../../src/catalog/object-layout.ts';
import { CheckList } from '../../../src/doctor/check-list.ts';
import { checkStore } from '../../../src/doctor/store-checks.ts';
import { type CloudName, type CloudStore, START_CLOUD } from '../../support/stores/cloud-stores.ts';

/** Of the stores, unless they are configured. */
const PART_BYTES = 8 * 1024 * 1024;

for (const name of Object.keys(START_CLOUD) as CloudName[]) {
  describe(`the checks of a store at ${name}`, { timeout: 60_000 }, () => {
    let cloud: CloudStore;
    before(async () => {
      cloud = await START_CLOUD[name]();
    });
    after(() => cloud?.stop());

    it('are all well, those of uploads among them, and leave nothing behind', async () => {
      const { store } = cloud;
      const list = new CheckList();
      const subject = { store, layout: new ObjectLayout('b'), partSizeBytes: PART_BYTES, wallMs: () => Date.now() };
      assert.ok(await checkStore({ ...subject, checksum: null, objectLockDays: null }, list));
      const faults = list.checks.filter(({ status }) => status !== 'ok');
      assert.deepEqual(
        faults.map((check) => `${check.name}: ${check.message}`),
        [],
      );
      const names = list.checks.map((check) => check.name);
      assert.ok(names.includes('read in parts') && names.includes('give up an upload'), names.join());
      for await (const { key } of store.list('')) assert.fail(`${key} was left behind`);
      for await (const upload of store.unfinished('')) assert.fail(`an upload of ${upload.name} was left behind`);
    });
  });
}
