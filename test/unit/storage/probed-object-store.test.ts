import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pause } from '../../../src/model/back-off.ts';
import { BackupError } from '../../../src/model/errors.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { ProbedObjectStore, type PutInParts } from '../../../src/storage/probed-object-store.ts';

const PROBE = 'b/probe.txt';

/** A store in memory whose operations can be counted and spoilt. */
class TestStore extends MemoryObjectStore {
  readonly calls: string[] = [];
  puts: (key: string) => Promise<'created' | 'exists'> | undefined = () => undefined;
  gets: (key: string) => Promise<Uint8Array> | undefined = () => undefined;

  override putIfAbsent(key: string, chunks: Iterable<Uint8Array>): Promise<'created' | 'exists'> {
    this.calls.push(`put ${key}`);
    return this.puts(key) ?? super.putIfAbsent(key, chunks);
  }

  override get(key: string): Promise<Uint8Array | undefined> {
    this.calls.push(`get ${key}`);
    return this.gets(key) ?? super.get(key);
  }
}

type Operations = Readonly<Record<string, (store: ObjectStore) => Promise<unknown>>>;
const LOOKS: Operations = {
  head: (store) => store.head('a'),
  list: async (store) => {
    for await (const { key } of store.list('a')) return key;
    return undefined;
  },
};
const OPERATIONS: Operations = {
  put: (store) => store.putIfAbsent('a', []),
  get: (store) => store.get('a'),
  delete: (store) => store.delete('a'),
};

describe('a store that is tried out', () => {
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    test(`is tried out before its first ${name}, and only then`, async () => {
      const inner = new TestStore();
      const store = new ProbedObjectStore(inner, PROBE);
      await operation(store);
      const trial = inner.calls.filter((call) => call.endsWith(PROBE));
      assert.deepEqual(trial, [`put ${PROBE}`, `put ${PROBE}`, `get ${PROBE}`]);
      inner.calls.length = 0;
      await operation(store);
      assert.equal(inner.calls.filter((call) => call.endsWith(PROBE)).length, 0);
    });
  }

  test('does not tell what it read before it is tried out', async () => {
    const inner = new TestStore();
    const away = new BackupError('STORE_UNAVAILABLE', 'away');
    inner.puts = (key) => (key === PROBE ? Promise.reject(away) : undefined);
    await inner.putIfAbsent('a', [Buffer.from('x')]);
    await assert.rejects(new ProbedObjectStore(inner, PROBE).get('a'), (error) => error === away);
  });

  for (const [name, look] of Object.entries(LOOKS)) {
    test(`begins to be tried out with its first ${name}, which does not wait for it`, async () => {
      const inner = new TestStore();
      inner.puts = () => new Promise(() => {});
      assert.equal(await look(new ProbedObjectStore(inner, PROBE)), undefined);
      assert.equal(inner.calls.includes(`put ${PROBE}`), true);
    });
  }

  test('is tried out once by operations that begin together', async () => {
    const inner = new TestStore();
    const store = new ProbedObjectStore(inner, PROBE);
    await Promise.all([...Object.values(OPERATIONS), ...Object.values(LOOKS)].map((operation) => operation(store)));
    assert.equal(inner.calls.filter((call) => call === `get ${PROBE}`).length, 1);
  });

  test('is tried out where an earlier trial has left its object', async () => {
    const inner = new TestStore();
    await new ProbedObjectStore(inner, PROBE).delete('a');
    inner.calls.length = 0;
    await new ProbedObjectStore(inner, PROBE).delete('a');
    assert.deepEqual(inner.calls, [`put ${PROBE}`, `put ${PROBE}`, `get ${PROBE}`]);
  });

  describe('by an object in parts', () => {
    test('is so beside the small ones, where an earlier trial has left its object and where not', async () => {
      const inner = new TestStore();
      const asked: string[] = [];
      const putInParts: PutInParts = async (key, bytes, isThere) => {
        asked.push(key);
        assert.equal(inner.calls.includes(`get ${PROBE}`), false);
        await isThere;
        assert.equal(await inner.head(PROBE).then((found) => found?.sizeBytes), bytes.byteLength);
        return 'exists';
      };
      for (let start = 1; start <= 2; start += 1) {
        inner.calls.length = 0;
        await new ProbedObjectStore(inner, PROBE, putInParts).delete('a');
        assert.deepEqual(asked, Array(start).fill(PROBE));
      }
    });

    test('is refused with what that is refused with', async () => {
      const refused = new BackupError('STORE_AUTHORIZATION_FAILED', 'no parts');
      const store = new ProbedObjectStore(new TestStore(), PROBE, () => Promise.reject(refused));
      await assert.rejects(store.get('a'), (error) => error === refused);
    });

    test('is refused when that overwrites what is there', async () => {
      const store = new ProbedObjectStore(new TestStore(), PROBE, () => Promise.resolve('created'));
      await assert.rejects(store.get('a'), {
        code: 'STORE_UNSUITABLE',
        message: /memory overwrites objects in parts where it was told not to.*Use a store with conditional writes/,
      });
    });

    test('is not refused before the upload is given up', async () => {
      const inner = new TestStore();
      const away = new BackupError('STORE_UNAVAILABLE', 'away');
      inner.puts = (key) => (key === PROBE ? Promise.reject(away) : undefined);
      let isGivenUp = false;
      const store = new ProbedObjectStore(inner, PROBE, async (_key, _bytes, isThere) => {
        await isThere.catch(() => {});
        await pause(20);
        isGivenUp = true;
        throw new Error('given up');
      });
      await assert.rejects(store.get('a'), (error) => error === away);
      assert.equal(isGivenUp, true);
    });
  });

  test('is refused when it overwrites what it was told not to', async () => {
    const inner = new TestStore();
    inner.puts = () => Promise.resolve('created');
    const refused = {
      code: 'STORE_UNSUITABLE',
      message: /memory overwrites objects where it was told not to \(b\/probe\.txt\)/,
    };
    for (const operation of Object.values(OPERATIONS)) {
      await assert.rejects(operation(new ProbedObjectStore(inner, PROBE)), refused);
    }
    assert.equal(inner.calls.includes('put a'), false);
  });

  test('is refused when it does not give back what was put', async () => {
    const inner = new TestStore();
    inner.gets = () => Promise.resolve(Buffer.from('x'));
    await assert.rejects(new ProbedObjectStore(inner, PROBE).delete('a'), {
      code: 'STORE_UNSUITABLE',
      message: /something else was read back/,
    });
  });

  test('is tried out again after a failure', async () => {
    const inner = new TestStore();
    const store = new ProbedObjectStore(inner, PROBE);
    const away = new BackupError('STORE_UNAVAILABLE', 'away');
    inner.puts = () => Promise.reject(away);
    await assert.rejects(store.delete('a'), (error) => error === away);
    inner.puts = () => undefined;
    assert.equal(await store.putIfAbsent('a', []), 'created');
  });
});
