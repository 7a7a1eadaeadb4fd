// `status` against a real control port, and against what is none.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { BackupStatus, PartitionStatus } from '../../../src/backup/progress/backup-status.ts';
import { type ControlServer, startControlServer } from '../../../src/control/control-server.ts';
import { T0 } from '../../support/stored-backup.ts';
import { type AnyJson, jsonOf, removeDirectory, runCommand, temporaryDirectory } from './command-line.ts';

const PARTITION: PartitionStatus = {
  topic: 'orders',
  partition: 3,
  topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
  state: 'tailing',
  committedOffset: 1200n,
  nextOffset: 1250n,
  highWatermark: 1300n,
  lagRecords: 100,
  lagSeconds: 2.5,
  failure: null,
};

function statusOf(change: Partial<BackupStatus> = {}): BackupStatus {
  return {
    backupId: 'b',
    clusterId: 'cluster-1',
    mode: 'continuous',
    startedAtMs: T0,
    catalogVersion: 7,
    lastCommitAtMs: T0 + 1000,
    partitions: [
      PARTITION,
      { ...PARTITION, partition: 4, state: 'failed', failure: 'CORRUPT_MESSAGE', highWatermark: -1n },
    ],
    missingTopics: ['payments'],
    restorableToMs: T0 + 900,
    earliestRestorableMs: T0,
    counters: {
      records: 10,
      rawBytes: 100,
      storedBytes: 50,
      segments: 1,
      commits: 1,
      gaps: 0,
      gapRecords: 0,
      errors: 0,
      fencedSegments: 0,
    },
    trouble: 'KAFKA_UNREACHABLE',
    store: null,
    ...change,
  };
}

let directory: string;
let server: ControlServer;
let status = statusOf();
before(async () => {
  directory = await temporaryDirectory();
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  server = await startControlServer({
    listen: { host: '127.0.0.1', port: 0 },
    token: null,
    allowedHosts: [],
    backup: () => status,
    restores: { list: () => [], get: () => undefined } as AnyJson,
    readRestore: () => ({ kind: 'invalid', issues: [] }),
    metrics: async () => ({ contentType: 'text/plain', body: '' }),
    defaultTarget: 'default',
    targets: [],
    version: '0',
    logger,
    now: () => T0,
  });
});
after(async () => {
  await server.stop();
  await removeDirectory(directory);
});

let files = 0;

async function configFor(listen: string | false, change: AnyJson = {}): Promise<string> {
  files += 1;
  const file = join(directory, `${files}.yaml`);
  const config = {
    mode: 'backup',
    backup_id: 'b',
    source: { bootstrap_servers: ['127.0.0.1:1'] },
    storage: { backend: 'filesystem', path: directory },
    control: { listen },
    ...change,
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

const listening = (): string => `127.0.0.1:${server.address.port}`;

describe('status of a running agent', () => {
  test('is a table of partitions under the totals', async () => {
    const result = await runCommand(['status', '-c', await configFor(listening())]);
    assert.equal(result.exitCode, 0, result.stderr);
    for (const expected of [
      /Backup b \(continuous\) of cluster cluster-1/,
      /Restorable: +2023-11-14T22:13:20\.000Z \.\. 2023-11-14T22:13:20\.900Z/,
      /Lag: +200 records, 2\.5s over 2 partitions/,
      /Trouble: +KAFKA_UNREACHABLE/,
      /Missing: +payments/,
      /orders +3 +tailing +1,200 +1,300 +100 +2\.5s/,
      /orders +4 +failed +1,200 +- +100 +2\.5s +CORRUPT_MESSAGE/,
    ]) {
      assert.match(result.stdout, expected);
    }
  });

  test('tells how the requests to a store over a network fare', async () => {
    const traffic = { concurrency: 4, inFlight: 1, waiting: 0, lastFailure: null, requests: 2000 };
    for (const [store, expected] of [
      [
        { ...traffic, circuit: 'closed', failingForMs: 0 },
        /Store: +answers; 2,000 requests since start, 42,949,672,960 per GiB stored; at most 4 at once/,
      ],
      [{ ...traffic, circuit: 'open', failingForMs: 12_000 }, /Store: +no answer for 12\.0s/],
    ] as const) {
      status = statusOf({ store });
      const result = await runCommand(['status', '-c', await configFor(listening())]);
      assert.match(result.stdout, expected);
    }
    status = statusOf();
    assert.doesNotMatch((await runCommand(['status', '-c', await configFor(listening())])).stdout, /Store:/);
  });

  test('is with --json what the control port answers', async () => {
    const document = jsonOf(await runCommand(['status', '-c', await configFor(listening()), '--json']));
    assert.deepEqual([document.source, document.id, document.partitions[0].committed_offset], ['agent', 'b', '1200']);
  });

  test('is shown again and again with --watch, until it is told to stop', async () => {
    const stop = new AbortController();
    let looks = 0;
    const onResult = (): void => {
      looks += 1;
      status = statusOf({ catalogVersion: 7 + looks });
      if (looks === 2) stop.abort();
    };
    const args = ['status', '-c', await configFor(listening()), '--watch', '--interval', '1'];
    const result = await runCommand(args, { stop: stop.signal, onResult });
    assert.deepEqual([result.exitCode, looks], [0, 2]);
    assert.match(result.stdout, /version 7\n[^]*version 8\n/);
  });
});

describe('status where no agent is', () => {
  const cases: readonly [name: string, file: () => Promise<string>, exitCode: number, message: RegExp][] = [
    ['listening', () => configFor('127.0.0.1:1'), 20, /no agent answers at http:\/\/127\.0\.0\.1:1: ECONNREFUSED/],
    ['given a control port', () => configFor(false), 20, /no control port/],
    ['making this backup', () => configFor(listening(), { backup_id: 'other' }), 10, /makes another backup/],
  ];
  for (const [name, file, exitCode, message] of cases) {
    test(`${name}: exit code ${exitCode}`, async () => {
      const result = await runCommand(['status', '-c', await file()]);
      assert.deepEqual([result.exitCode, result.stdout], [exitCode, '']);
      assert.match(result.stderr, message);
    });
  }

  test('but another server: exit code 20', async () => {
    const answers = ['<html>', '{}', '{"restorable":1}'];
    const other = createServer((_request, response) => response.end(answers.shift()));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const file = await configFor(`127.0.0.1:${(other.address() as AddressInfo).port}`);
    for (const message of [/is not JSON/, /restorable is not an object/, /restorable is not an object/]) {
      const result = await runCommand(['status', '-c', file]);
      assert.equal(result.exitCode, 20);
      assert.match(result.stderr, message);
    }
    other.close();
  });

  test('for an interval that is none: exit code 2', async () => {
    const result = await runCommand(['status', '-c', await configFor(listening()), '--watch', '--interval', 'soon']);
    assert.equal(result.exitCode, 2);
  });
});
