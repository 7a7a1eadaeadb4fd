// The first command of the README, run as a reader would: it ends well, says what it promises, and leaves neither a process
// nor a file behind, also when it is interrupted in the middle.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { projectRoot } from '../support/cache.ts';

const SCRIPT = join(projectRoot, 'deploy', 'quickstart.sh');
const PASS_LINES = 7;
const INTERRUPTED_EXIT_CODE = 130;
/** What is promised where packages and jars are there already, as they are where tests run. */
const MOST_SECONDS = 120;
/** Runnable threads per core, on average over the last minute, from which on the machine is somebody else's. */
const BUSY_LOAD = 5;

describe('deploy/quickstart.sh', { timeout: 10 * 60_000 }, () => {
  let temporary: string;
  const started: ChildProcess[] = [];

  before(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'kafka-backup-reader-'));
  });

  after(async () => {
    for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
  });

  /**
   * Runs the script in a process group of its own; with `until`, it gets SIGINT when it has said that, and `play` is done with what
   * runs by then.
   */
  async function quickstart(
    until?: RegExp,
    { args = [], play = async () => {} }: { args?: string[]; play?: (said: string) => Promise<void> } = {},
  ): Promise<{ exitCode: number | null; said: string; left: number[]; seconds: number }> {
    const startedAtMs = performance.now();
    const env = { ...process.env, TMPDIR: temporary, NO_COLOR: '1' };
    const child = spawn('bash', [SCRIPT, ...args], {
      cwd: tmpdir(),
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.push(child);
    let said = '';
    let playing: Promise<void> | undefined;
    const hear = (text: string): void => {
      said += text;
      if (until === undefined || playing !== undefined || !until.test(said)) return;
      playing = play(said).finally(() => child.kill('SIGINT'));
      playing.catch(() => {});
    };
    child.stdout.setEncoding('utf8').on('data', hear);
    child.stderr.setEncoding('utf8').on('data', hear);
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const seconds = (performance.now() - startedAtMs) / 1000;
    await playing;
    return { exitCode, said, left: processesOfGroup(child.pid ?? -1), seconds };
  }

  it('breaks two topics and puts them back as they were, record by record', async (context: TestContext) => {
    const { exitCode, said, left, seconds } = await quickstart();
    const [load = 0] = loadavg();
    const cores = availableParallelism();
    assert.equal(exitCode, 0, said);
    assert.equal(said.match(/^ +PASS {2}/gm)?.length, PASS_LINES, said);
    assert.match(said, /PASS {2}all 200,000 records are as they were before the bad deploy/);
    assert.match(said, /Backup completed\n +Summary:\n +Records: 220,000\n/);
    assert.match(said, /exit code 0; 0 processes left\n\nPASS {2}everything was put back, in [0-9.]+ s\n$/);
    const told = `${seconds.toFixed(0)} s, load ${load.toFixed(1)} on ${cores} cores`;
    // Where others take most of a machine, its clock says nothing of us.
    if (load < BUSY_LOAD * cores) assert.ok(seconds < MOST_SECONDS, told);
    context.diagnostic(told);
    assert.ok(!said.includes('FAIL') && !said.includes('\u001b'), said);
    assert.deepEqual(left, []);
    assert.deepEqual(readdirSync(temporary), []);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const { exitCode, said, left } = await quickstart(/\[3\/7\]/);
    assert.equal(exitCode, INTERRUPTED_EXIT_CODE, said);
    assert.match(said, /stopped; 0 processes left\n$/);
    assert.deepEqual(left, []);
    assert.deepEqual(readdirSync(temporary), []);
  });

  it('keeps broker and agent running when it is asked to, until it is interrupted', async () => {
    const { exitCode, said, left } = await quickstart(/Ctrl-C stops both and removes everything\./, {
      args: ['--keep'],
      play: async (invitation) => {
        const [, url = ''] = /curl -s (http:\S+\/v1\/backups\/\S+)/.exec(invitation) ?? [];
        const backup = (await (await fetch(url)).json()) as { readonly since_start: { readonly records: number } };
        assert.equal(backup.since_start.records, 220_000);
        const [, describeBackup = ''] = /node_modules\/\.bin\/node (src\/main\.ts describe .+)/.exec(invitation) ?? [];
        const described = spawn(process.execPath, describeBackup.split(' '), { cwd: projectRoot, stdio: 'ignore' });
        assert.equal(await new Promise((resolve) => described.once('close', resolve)), 0, describeBackup);
      },
    });
    assert.equal(exitCode, INTERRUPTED_EXIT_CODE, said);
    assert.match(said, /stopped; 0 processes left\n$/);
    assert.deepEqual(left, []);
    assert.deepEqual(readdirSync(temporary), []);
  });

  it('refuses an unknown argument before it starts anything', async () => {
    const child = spawn('bash', [SCRIPT, '--kepe'], { stdio: 'ignore' });
    const exitCode = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(exitCode, 2);
  });
});

/** Ids of the living members of a process group (proc(5): the group is the third field after the name, the state the first). */
function processesOfGroup(group: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [state, , itsGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(itsGroup) === group && state !== 'Z';
      } catch {
        return false; // it has ended meanwhile
      }
    });
}
