import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { PiscinaPool } from '../../../src/compression/piscina-pool.ts';
import { defineTask } from '../../../src/compression/worker-pool.ts';

const BUSY_MS = 300;
const WORKER = `
  export default ({ task: busyMs }) => {
    const end = performance.now() + busyMs;
    while (performance.now() < end);
    return { kind: 'result', result: null };
  };
`;

describe('the pool of threads', () => {
  let directory: string;
  let pool: PiscinaPool;
  let startedAtMs: number;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'piscina-pool-'));
    const entry = join(directory, 'worker.mjs');
    await writeFile(entry, WORKER);
    startedAtMs = performance.now();
    pool = new PiscinaPool({
      entry: pathToFileURL(entry),
      threads: 2,
      keptThreads: 1,
      toError: (code, message) => new Error(`${code} ${message}`),
    });
  });

  after(async () => {
    await pool.close();
    await rm(directory, { recursive: true });
  });

  test('tells the share of the time since its start that its threads were busy', async () => {
    assert.deepEqual(pool.usage(), { queued: 0, utilization: 0 });
    const tasks = 3;
    for (let done = 0; done < tasks; done++) await pool.run(defineTask<number, null>('busy'), BUSY_MS);
    const { utilization } = pool.usage();
    const capacityMs = pool.threads * (performance.now() - startedAtMs);
    // The clock of the pool begins a moment after ours, and a task costs a moment more than its work.
    assert.ok(utilization >= (tasks * BUSY_MS) / capacityMs, `${utilization} of ${capacityMs} ms`);
    assert.ok(utilization <= 0.55, `${utilization} although there was never more than one task`);
  });
});
