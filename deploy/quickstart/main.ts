// Process entry of the quickstart: tells the story, and ends everything it started, whatever happens.
import { once } from 'node:events';
import { Narrator } from './narrator.ts';
import { Scene } from './scene.ts';
import { BACKUP_ID, type Sidecar } from './sidecar.ts';
import { endStory, STEPS, tellStory } from './story.ts';

const INTERRUPTED_EXIT_CODE = 130;

class Interruption extends Error {}

const narrator = new Narrator(STEPS);
const scene = await Scene.open();
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort());

try {
  narrator.title('kafka-backup-agent: back up a Kafka, break it, put it back');
  await Promise.race([story(), once(interrupted.signal, 'abort').then(() => Promise.reject(new Interruption()))]);
} catch (error) {
  process.exitCode = 1;
  if (error instanceof Interruption) process.exitCode = INTERRUPTED_EXIT_CODE;
  else reportFailure(error);
}
const left = await scene.close();
if (interrupted.signal.aborted) narrator.closing(`stopped; ${left.length} processes left`, 'yellow');
process.exit();

async function story(): Promise<void> {
  const cast = { scene, narrator };
  const sidecar = await tellStory(cast);
  if (process.argv.includes('--keep')) return inviteToPlay(sidecar);
  await endStory(cast, sidecar);
  narrator.closing(`PASS  everything was put back, in ${narrator.elapsed()}`, 'green');
}

/** Never resolves: broker and agent run until Ctrl-C. */
async function inviteToPlay(sidecar: Sidecar): Promise<void> {
  const { origin, tokenFile, storeDirectory } = sidecar;
  narrator.step('Broker and agent keep running; some things to try from the root of the project:');
  narrator.detail(
    [
      `curl -s ${origin}/v1/backups/${BACKUP_ID}`,
      `curl -s ${origin}/v1/restores`,
      `curl -s ${origin}/metrics | grep ^kafka_backup`,
      `curl -s -H "Authorization: Bearer $(cat ${tokenFile})" -H 'Content-Type: application/json' \\`,
      `  -d '{"point_in_time": "${new Date().toISOString()}", "topics": ["orders"], "topic_mapping": {"orders": "orders-now"}}' \\`,
      `  ${origin}/v1/restores`,
      `find ${storeDirectory} -name '*.log.zst'`,
      `node_modules/.bin/node src/main.ts describe --path ${storeDirectory} --backup-id ${BACKUP_ID}`,
      '',
      'Ctrl-C stops both and removes everything.',
    ].join('\n'),
  );
  await new Promise(() => {});
}

function reportFailure(error: unknown): void {
  narrator.closing(`FAIL  ${error instanceof Error ? error.message : String(error)}`, 'red');
  const log = scene.agentLogTail();
  if (log !== '') narrator.detail(`last lines of the agent's log:\n${log}`, 'dim');
}
