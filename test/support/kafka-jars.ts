// Kafka's own jars (broker, tools, Java client), fetched once through Maven into the cache.
// deploy/kafka/pom.xml names them and holds the only mention of the Kafka version that tests run against.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached, projectRoot } from './cache.ts';

const run = promisify(execFile);
const POM = join(projectRoot, 'deploy', 'kafka', 'pom.xml');
const FETCH_TIMEOUT_MS = 5 * 60_000;

/** A version of Kafka and the class path (one `DIR/*` entry) that holds it. */
export interface KafkaJars {
  readonly version: string;
  readonly classpath: string;
}

/** The Kafka version named in deploy/kafka/pom.xml. */
export function kafkaVersion(): string {
  const version = /<kafka\.version>([^<]+)<\/kafka\.version>/.exec(readFileSync(POM, 'utf8'))?.[1];
  if (version === undefined) throw new Error(`${POM} names no kafka.version`);
  return version;
}

/** Makes sure that the jars are in the cache; needs Maven and its registry the first time only. */
export async function ensureKafkaJars(version: string = kafkaVersion()): Promise<KafkaJars> {
  const directory = await cached(`kafka-${version}`, async (temporary) => {
    const goal = 'dependency:copy-dependencies';
    const options = [`-DoutputDirectory=${temporary}`, `-Dkafka.version=${version}`];
    await run('mvn', ['-q', '-B', '-f', POM, goal, ...options], { timeout: FETCH_TIMEOUT_MS });
  });
  return { version, classpath: join(directory, '*') };
}
