import assert from 'node:assert/strict';
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openTokenFile } from '../../../src/control/token-file.ts';
import { type LoggedLine, memoryLogger, TOKEN } from './control-fixture.ts';

describe('the token file', () => {
  let directory: string;
  let path: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'token-'));
    path = join(directory, 'token');
  });
  after(() => rm(directory, { recursive: true }));

  test('may end in a line break, and matches its content only', async () => {
    await writeFile(path, `${TOKEN}\n`, { mode: 0o600 });
    const source = await openTokenFile(path, memoryLogger());
    assert.equal(await source.matches(TOKEN), true);
    for (const other of ['', TOKEN.slice(1), `${TOKEN}\n`, 'x'.repeat(1_000_000)]) {
      assert.equal(await source.matches(other), false);
    }
  });

  test('that is absent, too short or several words is a configuration error', async () => {
    await assert.rejects(openTokenFile(join(directory, 'nope'), memoryLogger()), { code: 'CONFIG_INVALID' });
    for (const content of ['', 'short', 'several words in one file', `t\u00f6ken-beyond-ascii-letters`]) {
      await writeFile(path, content);
      await assert.rejects(openTokenFile(path, memoryLogger()), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'CONFIG_INVALID');
        assert.ok(content === '' || !error.message.includes(content), 'the content must not be told');
        return true;
      });
    }
  });

  test('that everybody can read is warned about', async () => {
    await writeFile(path, TOKEN);
    await chmod(path, 0o644);
    const lines: LoggedLine[] = [];
    await openTokenFile(path, memoryLogger(lines));
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['warn'],
    );
  });

  test('replaced by a rename counts at once; made unusable it lets nobody in until it is mended', async () => {
    await writeFile(path, TOKEN, { mode: 0o600 });
    const source = await openTokenFile(path, memoryLogger());
    const next = 'the-next-token-of-this-agent';
    await writeFile(join(directory, 'next'), next);
    await rename(join(directory, 'next'), path);
    assert.deepEqual([await source.matches(TOKEN), await source.matches(next)], [false, true]);
    await writeFile(path, 'bad');
    assert.equal(await source.matches(next), false);
    await writeFile(path, `${TOKEN}  `);
    assert.equal(await source.matches(TOKEN), true);
  });
});
