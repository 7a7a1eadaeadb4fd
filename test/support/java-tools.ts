// Compiles test/support/java once per content and Kafka version, and knows how to start a JVM for it.
// A JVM of the test profile trades peak speed for start-up; the bench profile is what an operator would run.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cached } from './cache.ts';
import { ensureJvmArchive } from './jvm-archive.ts';
import { ensureKafkaJars } from './kafka-jars.ts';

const run = promisify(execFile);
const SOURCES = join(import.meta.dirname, 'java', 'probe');
const TIMEOUT_MS = 2 * 60_000;
const QUICK_START = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

/** `test`: quick to start, client-side compiler only. `bench`: the JVM's defaults, for measurements. */
export type JvmProfile = 'test' | 'bench';

export interface JvmOptions {
  readonly profile?: JvmProfile | undefined;
  /** Maximum heap in MiB; 512 unless given. */
  readonly heapMb?: number | undefined;
  /** Lowest level of Kafka's log lines on stderr; `info` unless given. */
  readonly logLevel?: 'info' | 'warn' | 'error' | undefined;
}

/**
 * Returns the arguments of `java` that run one of the classes in test/support/java/probe.
 * @param mainClass simple name, e.g. `BrokerMain`
 */
export async function javaArguments(mainClass: string, options: JvmOptions = {}): Promise<string[]> {
  const { key, classpath } = await ensureJavaTools();
  return [
    `-Xmx${options.heapMb ?? 512}m`,
    ...(options.profile === 'bench' ? [] : await quickStart(key, classpath)),
    `-Djava.io.tmpdir=${temporaryDirectory()}`,
    '-XX:-UsePerfData',
    '-Xlog:disable',
    `-Dorg.slf4j.simpleLogger.defaultLogLevel=${options.logLevel ?? 'info'}`,
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
    '-cp',
    classpath,
    `probe.${mainClass}`,
  ];
}

let temporary: string | undefined;

/** Where a JVM unpacks native libraries, which it leaves behind when it is killed: all go when this process ends. */
function temporaryDirectory(): string {
  if (temporary !== undefined) return temporary;
  const made = mkdtempSync(join(tmpdir(), 'kafka-backup-jvm-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  return (temporary = made);
}

async function quickStart(key: string, classpath: string): Promise<string[]> {
  const archive = await ensureJvmArchive(key, classpath, QUICK_START);
  return [...QUICK_START, '-Xshare:auto', `-XX:SharedArchiveFile=${archive}`];
}

/** Makes sure that the Java tools are compiled; returns their name in the cache and the class path with Kafka. */
async function ensureJavaTools(): Promise<{ key: string; classpath: string }> {
  const jars = await ensureKafkaJars();
  const names = readdirSync(SOURCES).filter((name) => name.endsWith('.java'));
  const files = names.sort().map((name) => join(SOURCES, name));
  const hash = createHash('sha256').update(jars.version);
  for (const file of files) hash.update(`\0${file.slice(SOURCES.length)}\0`).update(readFileSync(file));
  const key = `java-tools-${hash.digest('hex').slice(0, 16)}`;
  const directory = await cached(key, async (temporary) => {
    const classes = join(temporary, 'classes');
    const options = ['--release', '17', '-encoding', 'UTF-8', '-nowarn', '-proc:none', '-d', classes];
    await run('javac', [...options, '-cp', jars.classpath, ...files], { timeout: TIMEOUT_MS });
    await run('jar', ['--create', '--file', join(temporary, 'tools.jar'), '-C', classes, '.'], { timeout: TIMEOUT_MS });
    await rm(classes, { recursive: true });
  });
  return { key, classpath: [join(directory, 'tools.jar'), jars.classpath].join(delimiter) };
}
