// Programs that the tests call and that npm does not bring. Asked for once, at the start: that one is missing is told by its name
// and its use, not by the twentieth test that fails.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

interface RequiredProgram {
  readonly name: string;
  readonly use: string;
}

const JUDGES: readonly RequiredProgram[] = [
  { name: 'zstd', use: 'judges segments' },
  { name: 'lz4', use: 'judges segments' },
  { name: 'gzip', use: 'judges record batches' },
  { name: 'openssl', use: 'makes certificates' },
];
const SERVERS: readonly RequiredProgram[] = [
  { name: 'java', use: 'runs Kafka, which is started by the tests' },
  { name: 'javac', use: 'builds the consumer and producer that judge ours; it comes with a JDK of 17 or newer' },
  { name: 'mvn', use: 'fetches the jars of Kafka' },
  { name: 'go', use: 'builds the object stores that stand for S3 and Google Cloud Storage' },
];
const BY_STAGE: Readonly<Record<string, readonly RequiredProgram[]>> = {
  check: [],
  unit: JUDGES,
};

/** What the stages need and `path`, a list of directories as in PATH, does not have: one line each. */
export function missingPrograms(stages: readonly string[], path: string): readonly string[] {
  const needed = new Set(stages.flatMap((stage) => BY_STAGE[stage] ?? [...JUDGES, ...SERVERS]));
  const directories = path.split(delimiter).filter((directory) => directory !== '');
  return [...needed]
    .filter(({ name }) => !directories.some((directory) => isExecutable(join(directory, name))))
    .map(({ name, use }) => `${name} is not installed: it ${use}`);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
