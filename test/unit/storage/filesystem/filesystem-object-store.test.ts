import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { BackupError, isRetriable } from '../../../../src/model/errors.ts';
import { FilesystemObjectStore } from '../../../../src/storage/filesystem/filesystem-object-store.ts';
import type { ObjectStore } from '../../../../src/storage/object-store.ts';

let root: string;
let store: FilesystemObjectStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'kafka-backup-files-'));
  store = new FilesystemObjectStore(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function keys(of: ObjectStore = store): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of of.list('')) found.push(key);
  return found;
}

const X = [Buffer.from('x')];
const SOURCE = new URL('../../../../src/storage/filesystem/filesystem-object-store.ts', import.meta.url).href;
const NOBODY = 65_534;

/** What a process of its own prints. */
function run(script: string, user: { readonly uid?: number } = {}): string {
  const args = ['--input-type=module', '-e', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: '/', ...user });
  assert.equal(stderr, '');
  return stdout;
}

/** The mode bits of a directory bind everybody but root. */
function runAsOrdinaryUser(script: string): string {
  return run(script, process.getuid?.() === 0 ? { uid: NOBODY } : {});
}

describe('a directory of objects', () => {
  test('holds each object as one file of its key, readable by owner and group', async () => {
    await store.putIfAbsent('a/b/c.log', X);
    const file = await stat(join(root, 'a/b/c.log'));
    assert.equal(file.mode & 0o777, 0o640 & ~process.umask());
    assert.equal((await stat(join(root, 'a'))).mode & 0o777, 0o750 & ~process.umask());
    assert.deepEqual(await readdir(join(root, 'a/b')), ['c.log']);
  });

  test('leaves no temporary file, after success, loss or failure', async () => {
    const failing = (function* (): Generator<Uint8Array> {
      yield Buffer.from('x');
      throw new Error('failed');
    })();
    await store.putIfAbsent('a/one', X);
    await store.putIfAbsent('a/one', X);
    await assert.rejects(store.putIfAbsent('a/two', failing));
    assert.deepEqual(await readdir(join(root, 'a')), ['one']);
  });

  test('does not list the temporary file of a put that was killed, and puts beside it', async () => {
    await mkdir(join(root, 'a'));
    await writeFile(join(root, 'a/.0123456789abcdef.tmp'), 'half');
    assert.equal(await store.putIfAbsent('a/one', X), 'created');
    assert.deepEqual(await keys(), ['a/one']);
  });

  test('follows no symbolic link in the place of an object', async () => {
    const outside = join(root, 'outside.txt');
    await writeFile(outside, 'secret');
    await mkdir(join(root, 'a'));
    await symlink(outside, join(root, 'a/link'));
    await symlink(join(root, 'nowhere'), join(root, 'a/dangling'));
    for (const key of ['a/link', 'a/dangling']) {
      await assert.rejects(store.get(key), { code: 'STORE_REFUSED', message: /symbolic link|not a plain file/ });
      assert.equal(await store.head(key), undefined);
      assert.equal(await store.putIfAbsent(key, X), 'exists');
    }
    assert.deepEqual(await keys(), ['outside.txt']);
    assert.equal((await stat(outside)).size, 6);
  });

  test('passes over files whose names are no keys: others have put them there', async () => {
    await store.putIfAbsent('a/one', X);
    for (const name of ['read me.txt', 'a/Lies mich.txt', 'a/@eaDir/x', '.hidden', 'a/~lock']) {
      await mkdir(join(root, name, '..'), { recursive: true });
      await writeFile(join(root, name), 'x');
    }
    assert.deepEqual(await keys(), ['a/one']);
  });

  test('lists nothing behind a symbolic link to a directory', async () => {
    await mkdir(join(root, 'real'));
    await writeFile(join(root, 'real/one'), 'x');
    await symlink(join(root, 'real'), join(root, 'linked'));
    await symlink(root, join(root, 'real/loop'));
    assert.deepEqual(await keys(), ['real/one']);
  });

  test('takes a directory, or a pipe that nobody writes to, for an absent object', async () => {
    await mkdir(join(root, 'folder'));
    assert.equal(spawnSync('mkfifo', [join(root, 'pipe')]).status, 0);
    for (const key of ['folder', 'pipe']) {
      assert.equal(await store.get(key), undefined);
      assert.equal(await store.head(key), undefined);
    }
    assert.deepEqual(await keys(), []);
  });
});

test('an object larger than all that is read whole is damaged, and takes no memory', async () => {
  const sizeBytes = 3 * 1024 ** 3;
  await store.putIfAbsent('grown', X);
  await truncate(join(root, 'grown'), sizeBytes);
  await assert.rejects(store.get('grown'), { code: 'OBJECT_CORRUPT', message: /grown has 3221225472 bytes/ });
  assert.equal((await store.get('grown', { position: sizeBytes - 5, sizeBytes: 10 }))?.byteLength, 5);
});

describe('what the operating system refuses', () => {
  test('is STORE_REFUSED where a file stands in the place of a directory', async () => {
    await store.putIfAbsent('taken', X);
    for (const key of ['taken/one', 'taken/deep/one']) {
      await assert.rejects(store.putIfAbsent(key, X), { name: 'BackupError', code: 'STORE_REFUSED' });
    }
    assert.equal(Buffer.from((await store.get('taken'))!).toString(), 'x');
  });

  test('is STORE_REFUSED where the root is a file', async () => {
    await writeFile(join(root, 'file'), '');
    const other = new FilesystemObjectStore(join(root, 'file'));
    await assert.rejects(other.putIfAbsent('one', X), { code: 'STORE_REFUSED' });
    await assert.rejects(keys(other), { code: 'STORE_REFUSED' });
  });

  test('is STORE_REFUSED in a directory that the user may read but not write', async () => {
    await store.putIfAbsent('readonly/one', X);
    for (const path of [root, join(root, 'readonly'), join(root, 'readonly/one')]) await chmod(path, 0o555);
    const script = `
      import { FilesystemObjectStore } from '${SOURCE}';
      const store = new FilesystemObjectStore('${root}');
      const put = (key) => store.putIfAbsent(key, [Buffer.from('x')]).catch((error) => error.code);
      const read = await store.get('readonly/one');
      console.log(await put('readonly/two'), await put('other/two'), String(read), await store.delete('readonly/one').catch((error) => error.code));
    `;
    assert.equal(runAsOrdinaryUser(script), 'STORE_REFUSED STORE_REFUSED x STORE_REFUSED\n');
  });

  test('is STORE_FULL where the device is full, and passes when there is room', async () => {
    // Every write to /dev/full ends with ENOSPC.
    const script = `
      import { FilesystemObjectStore } from '${SOURCE}';
      import { open } from 'node:fs/promises';
      const probe = await open('${join(root, 'probe')}', 'w');
      const prototype = Object.getPrototypeOf(probe);
      const write = prototype.write;
      await probe.close();
      let isFull = true;
      prototype.write = async function (...args) {
        if (!isFull) return write.apply(this, args);
        const full = await open('/dev/full', 'w');
        try { return await write.apply(full, args); } finally { await full.close(); }
      };
      const store = new FilesystemObjectStore('${root}');
      const code = await store.putIfAbsent('full/one', [Buffer.from('x')]).catch((error) => error.code);
      isFull = false;
      console.log(code, await store.putIfAbsent('full/one', [Buffer.from('x')]));
    `;
    assert.equal(run(script), 'STORE_FULL created\n');
    assert.ok(isRetriable(new BackupError('STORE_FULL', '')));
    assert.deepEqual(await readdir(join(root, 'full')), ['one']);
  });

  test('is STORE_UNAVAILABLE when a root that was there has gone, which is not made again', async () => {
    const mounted = join(root, 'mounted');
    const other = new FilesystemObjectStore(mounted);
    await other.putIfAbsent('a/one', X);
    await rm(mounted, { recursive: true });
    await assert.rejects(other.putIfAbsent('b/two', X), { code: 'STORE_UNAVAILABLE' });
    await assert.rejects(other.putIfAbsent('a/two', X), { code: 'STORE_UNAVAILABLE' });
    await assert.rejects(stat(mounted), { code: 'ENOENT' });
    await mkdir(mounted);
    assert.equal(await other.putIfAbsent('b/two', X), 'created');
  });

  test('makes a directory again that was removed below a root that is there', async () => {
    await store.putIfAbsent('a/one', X);
    await rm(join(root, 'a'), { recursive: true });
    assert.equal(await store.putIfAbsent('a/one', X), 'created');
  });
});
