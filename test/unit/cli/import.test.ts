import assert from 'node:assert/strict';
import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PEER_FIXTURE } from '../../support/peer-program.ts';
import { jsonOf, removeDirectory, runCommand, temporaryDirectory } from './command-line.ts';

let directory: string;
let config: string;

before(async () => {
  directory = await temporaryDirectory();
  config = join(directory, 'backup.yaml');
  const source = { bootstrap_servers: ['127.0.0.1:1'] };
  const storage = { backend: 'filesystem', path: join(directory, 'store') };
  await writeFile(config, JSON.stringify({ mode: 'backup', backup_id: 'b', source, storage }));
});
after(() => removeDirectory(directory));

const importing = (...args: readonly string[]) => runCommand(['import', '-c', config, '--from', PEER_FIXTURE, ...args]);

describe('import', () => {
  test('sums up what it did, and says what it left as it was', async () => {
    const { exitCode, stdout } = await importing('-b', 'zstd');
    assert.equal(exitCode, 0);
    assert.match(
      stdout,
      /^Import completed\nSummary:\n {2}Records: 48\n {2}Duration: .*\n {2}Throughput: .*records\/sec\n/,
    );
    assert.match(stdout, /Source: zstd, 2 topic\(s\), 5 file\(s\) imported, 0 held nothing new/);
    assert.match(stdout, /Added headers: dropped from 48 records/);
    assert.match(stdout, /Ends of transactions: 2 records look like one; kept as data.*--markers drop/);
    assert.match(stdout, /Errors: 0\n$/);
    const validated = await runCommand(['validate', '--deep', '-c', config]);
    assert.match(validated.stdout, /Result: VALID\n$/);
    const again = jsonOf(await importing('-b', 'zstd', '--json'));
    assert.deepEqual([again.records, again.files, again.files_without_news, again.complete], [0, 0, 5, true]);
    assert.doesNotMatch(stdout, /Choices/);
    const otherwise = await importing('-b', 'zstd', '--markers', 'drop');
    assert.match(
      otherwise.stdout,
      /\n {2}Choices: --added-headers drop and --markers drop went for what is new; .* stays as it was .* another backup_id\n/,
    );
  });

  test('asks which backup when the store holds several', async () => {
    const { exitCode, stderr } = await importing();
    assert.equal(exitCode, 2);
    assert.match(stderr, /several backups: name one with --backup-id \(lz4, none, zstd\)/);
    assert.equal((await importing('-b', 'absent')).exitCode, 10);
  });

  test('refuses an id that is a path', async () => {
    const { exitCode, stderr } = await importing('-b', '../zstd');
    assert.equal(exitCode, 2);
    assert.match(stderr, /--backup-id "\.\.\/zstd" is not a plain name/);
  });

  test('leaves the folder of its source alone when the new backup would be that', async () => {
    const [from, into] = [join(directory, 'same'), join(directory, 'same.yaml')];
    await cp(PEER_FIXTURE, from, { recursive: true });
    const storage = { backend: 'filesystem', path: from };
    const source = { bootstrap_servers: ['127.0.0.1:1'] };
    await writeFile(into, JSON.stringify({ mode: 'backup', backup_id: 'zstd', source, storage }));
    const { exitCode, stderr } = await runCommand(['import', '-c', into, '--from', from, '-b', 'zstd']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /another backup_id, or another store/);
    assert.deepEqual((await readdir(join(from, 'zstd'))).sort(), ['manifest.json', 'topics']);
  });

  test('says what to do about a damaged file of the other program', async () => {
    const [from, damaged] = [join(directory, 'from'), join(directory, 'damaged.yaml')];
    await cp(PEER_FIXTURE, from, { recursive: true });
    const storage = { backend: 'filesystem', path: join(directory, 'damaged') };
    const source = { bootstrap_servers: ['127.0.0.1:1'] };
    await writeFile(damaged, JSON.stringify({ mode: 'backup', backup_id: 'b', source, storage }));
    const args = ['import', '-c', damaged, '--from', from, '-b', 'none'];
    const remedy = /Bring the file back from a copy of the other program's store .*--damaged gap/;
    await rm(join(from, 'none/topics/peer-transactions/partition=0/segment-00000000000000000000.bin'));
    const stopped = await runCommand(args);
    assert.equal(stopped.exitCode, 13);
    assert.match(stopped.stdout, new RegExp(`\n {2}Remedy: ${remedy.source}.*\n$`));
    const gapped = await runCommand([...args, '--damaged', 'gap']);
    assert.equal(gapped.exitCode, 3);
    assert.doesNotMatch(gapped.stdout, /Remedy/);
    await writeFile(join(from, 'none/manifest.json'), '{"backup_id": ');
    const { exitCode, stderr } = await runCommand(args);
    assert.equal(exitCode, 13);
    assert.match(stderr, new RegExp(`none/manifest\\.json is not JSON\nhint: ${remedy.source}`));
  });

  test('claims no success where an earlier import has left gaps for which there are files now, or files have no entry', async () => {
    const [from, into] = [join(directory, 'mended'), join(directory, 'mended.yaml')];
    await cp(PEER_FIXTURE, from, { recursive: true });
    const storage = { backend: 'filesystem', path: join(directory, 'mended-store') };
    const source = { bootstrap_servers: ['127.0.0.1:1'] };
    await writeFile(into, JSON.stringify({ mode: 'backup', backup_id: 'b', source, storage }));
    const args = ['import', '-c', into, '--from', from, '-b', 'none'];
    const file = 'none/topics/peer-plain/partition=0/segment-00000000000000000012.bin';
    await rm(join(from, file));
    assert.equal((await runCommand([...args, '--damaged', 'gap'])).exitCode, 3);
    await cp(join(PEER_FIXTURE, file), join(from, file));
    const mended = await runCommand(args);
    assert.equal(mended.exitCode, 3);
    assert.match(mended.stdout, /^Import incomplete\n/);
    assert.match(
      mended.stdout,
      /12 offsets .* earlier import, although .* 1 file\(s\) for them; .* another backup_id\n/,
    );
    assert.match(mended.stdout, / 4 held nothing new/);
    await cp(join(PEER_FIXTURE, file), join(from, `${file}.lz4`));
    const unnamed = await runCommand([...args, '--json']);
    assert.equal(unnamed.exitCode, 3);
    assert.match(unnamed.stderr, new RegExp(`warning: 1 segment file.* not named .* the first is ${file}\\.lz4; `));
    const { complete, offsets_in_earlier_gaps, unnamed_files, first_unnamed_file } = jsonOf(unnamed);
    assert.deepEqual(
      [complete, offsets_in_earlier_gaps, unnamed_files, first_unnamed_file],
      [false, '12', 1, `${file}.lz4`],
    );
    const fresh = join(directory, 'fresh.yaml');
    await writeFile(fresh, JSON.stringify({ mode: 'backup', backup_id: 'fresh', source, storage }));
    await rm(join(from, `${file}.lz4`));
    assert.equal((await runCommand(['import', '-c', fresh, '--from', from, '-b', 'none'])).exitCode, 0);
  });

  test('refuses a choice that it does not know', async () => {
    for (const flag of ['--added-headers', '--markers', '--damaged']) {
      assert.equal((await importing('-b', 'zstd', flag, 'perhaps')).exitCode, 2, flag);
    }
    assert.equal((await runCommand(['import', '-c', config])).exitCode, 2);
  });
});
