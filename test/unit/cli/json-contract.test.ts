// What a command prints with --json is a contract: names in snake case, failures of the command line included.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { backupSummaryJson } from '../../../src/cli/commands/backup-command.ts';
import { backupStatus } from '../control/control-fixture.ts';
import { runCommand } from './command-line.ts';

test('every field of the summary of backup --json is described in the README, and no other', () => {
  const outcome = { isComplete: true, shortfalls: [], status: backupStatus() };
  const readme = readFileSync(new URL('../../../src/cli/README.md', import.meta.url), 'utf8');
  const described = /^\| `backup` \| `\{(.*?)\}`/m.exec(readme)?.[1] ?? '';
  assert.deepEqual(
    Object.keys(backupSummaryJson(outcome, 1.5) as object),
    described.split(', ').map((field) => field.replace(/:.*/, '')),
  );
});

test('a command line that is not understood is an exit_error too', async () => {
  const cases = [
    [['backup', '--json'], /^required option '-c, --config <file>' not specified$/],
    [['--json', 'list', '--pth', '/x'], /^unknown option '--pth'/],
    [['lst', '--json'], /^unknown command 'lst'/],
    [['--json'], /^a command is missing$/],
  ] as const;
  for (const [args, message] of cases) {
    const { exitCode, stdout, stderr } = await runCommand(args);
    const document = JSON.parse(stderr) as Readonly<Record<string, unknown>>;
    assert.deepEqual([exitCode, stdout], [2, ''], args.join(' '));
    assert.deepEqual(
      [document['message_type'], document['code'], document['error']],
      ['exit_error', 2, 'USAGE_INVALID'],
    );
    assert.match(String(document['message']), message);
  }
});

test('without --json it is told as text', async () => {
  const { exitCode, stderr } = await runCommand(['backup']);
  assert.equal(exitCode, 2);
  assert.match(stderr, /^error: required option/);
});
