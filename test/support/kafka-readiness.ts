// Tells when a broker can be used: it answers a metadata request, it is registered and unfenced (it lists itself),
// and every partition it knows has a leader. Nothing less will do after a restart.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';

const POLL_MS = 50;
const REQUEST_TIMEOUT_MS = 3000;

/**
 * Resolves when the broker serves.
 * @param bootstrap `127.0.0.1:PORT` of a plain-text listener
 * @param isAlive asked between attempts, so that a broker that has exited is not waited for
 * @throws when the time is up or the broker has exited
 */
export async function waitUntilServing(bootstrap: string, timeoutMs: number, isAlive: () => boolean): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown = 'it never listened';
  while (Date.now() < deadline) {
    if (!isAlive()) throw new Error('it exited');
    if (await accepts(bootstrap)) {
      last = await attempt(bootstrap);
      if (last === undefined) return;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`not ready after ${timeoutMs} ms: ${String(last)}`);
}

function accepts(bootstrap: string): Promise<boolean> {
  const [host = '', port = ''] = bootstrap.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    socket.once('connect', () => socket.destroy().emit('done', true));
    socket.once('error', () => socket.emit('done', false));
    socket.once('done', resolve);
  });
}

/** Returns undefined when the broker is ready, and otherwise why it is not. */
async function attempt(bootstrap: string): Promise<unknown> {
  const kafka = new Kafka({
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    if (!brokers.some(({ host, port }) => `${host}:${port}` === bootstrap)) return 'the broker is not registered yet';
    const { topics } = await admin.fetchTopicMetadata();
    const orphan = topics.find(({ partitions }) => partitions.some(({ leader }) => leader < 0));
    return orphan === undefined ? undefined : `topic ${orphan.name} has a partition without a leader`;
  } catch (error) {
    return error;
  } finally {
    await admin.disconnect().catch(() => {});
  }
}
