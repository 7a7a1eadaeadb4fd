// The cost of having nothing to do: thousands of quiet partitions, followed for a minute by one agent.
// Their few records are backed up before, so that the agent starts where an agent in service is: caught up.
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../support/free-port.ts';
import { FILESYSTEM } from '../bench-store.ts';
import { type BackupOptions, backupInvocation, type Contender } from '../contenders.ts';
import { type Measured, measureProgram, type ProcessUse, readUse, startProgram } from '../measure.ts';
import type { Program, Programs } from '../programs.ts';
import { cpuShareBelow, rssBelow } from '../targets.ts';
import type { Workbench } from '../workbench.ts';
import type { Scenario } from './scenario.ts';

const TOPIC = 'quiet';
const PARTITIONS = 2000;
const RECORDS_PER_PARTITION = 5;
const SETTLE_MS = 20_000;
const WINDOW_MS = 60_000;
const SAMPLE_MS = 500;

export async function idle(bench: Workbench, { ours }: Programs): Promise<Scenario> {
  return {
    title: '2,000 quiet partitions followed for 60 s, after 20 s to settle',
    bytes: null,
    contenders: [idleContender(bench, ours)],
    ratios: [],
    targets: [cpuShareBelow(5, 'ours'), rssBelow(200, 'ours')],
    isSingle: true,
  };
}

/** Measures a window of 60 s that begins 20 s after the start: its CPU, and the most memory that was resident in it. */
function idleContender(bench: Workbench, program: Program): Contender {
  return { name: program.name, run: (directory) => followQuietTopic(bench, program, directory) };
}

async function followQuietTopic(bench: Workbench, program: Program, directory: string): Promise<Measured> {
  // Small index files: 2,000 times the default would be 40 GB of address space in the broker.
  await bench.createTopic(TOPIC, { partitions: PARTITIONS, config: { 'segment.index.bytes': 65_536 } });
  try {
    await bench.probe.produce(TOPIC, { records: PARTITIONS * RECORDS_PER_PARTITION });
    const place = FILESYSTEM.place(directory);
    const options: BackupOptions = { compression: 'zstd' };
    const backup = { topic: TOPIC, place, directory, options };
    await measureProgram(await backupInvocation(bench, program, backup));
    const sections = { control: { listen: `127.0.0.1:${await freePort()}` } };
    const running = await startProgram(
      await backupInvocation(bench, program, { ...backup, continuous: true, sections }),
    );
    const endedEarly = running.ended.then((): never => {
      throw new Error('the agent ended while it was watched');
    });
    const window = await Promise.race([observe(running.pid), endedEarly]);
    process.kill(running.pid, 'SIGTERM');
    await running.ended;
    return { ...window, storedBytes: await place.sizeBytes() };
  } finally {
    await bench.probe.deleteTopic(TOPIC);
  }
}

async function observe(pid: number): Promise<Omit<Measured, 'storedBytes'>> {
  await sleep(SETTLE_MS);
  const before = useOf(pid);
  const startedAt = performance.now();
  let peakRssBytes = 0;
  while (performance.now() - startedAt < WINDOW_MS) {
    await sleep(SAMPLE_MS);
    peakRssBytes = Math.max(peakRssBytes, useOf(pid).rssBytes);
  }
  const cpuSeconds = useOf(pid).cpuSeconds - before.cpuSeconds;
  return { wallSeconds: (performance.now() - startedAt) / 1000, cpuSeconds, peakRssBytes };
}

function useOf(pid: number): ProcessUse {
  const use = readUse(pid);
  if (use === undefined) throw new Error('the agent ended while it was watched');
  return use;
}
