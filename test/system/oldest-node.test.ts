// The source as it is, without a build, on the oldest Node that package.json allows.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AgentProcess, SOURCE_MAIN } from '../support/agent-process.ts';
import { assertExit } from '../support/agent-workspace.ts';
import { projectRoot } from '../support/cache.ts';
import { assertSameRecords } from '../support/compare-topics.ts';
import { ensureOldestNode, OLDEST_NODE } from '../support/oldest-node.ts';
import { SystemFixture } from '../support/system-fixture.ts';

const RECORDS = 5000;

describe('on the oldest Node that is allowed', { timeout: 300_000 }, () => {
  let system: SystemFixture;
  let onSource: { readonly node: string; readonly main: string };

  before(async () => {
    onSource = { node: await ensureOldestNode(), main: SOURCE_MAIN };
    system = await SystemFixture.start();
  });

  after(() => system?.stop());

  it('is the one that package.json names', async () => {
    const { engines } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as {
      readonly engines: { readonly node: string };
    };
    assert.equal(engines.node, `>=${OLDEST_NODE}`);
  });

  it('the agent says what it runs on and which zstd it has', async () => {
    const run = await new AgentProcess(['--version'], { cwd: system.workspace.directory, ...onSource }).exit();
    assertExit(run, 0);
    assert.match(run.stdout, /^kafka-backup \S+ \(node 22\.18\.0, zstd by (zstd-napi|node:zlib)/);
    assert.equal(run.stderr, '');
  });

  for (const compression of ['zstd', 'lz4', 'none']) {
    it(`a backup with ${compression} and its restore hold every record`, async () => {
      const { probe, workspace } = system;
      const topic = `orders-${compression}`;
      await probe.createTopic(topic, { partitions: 2 });
      await probe.produce(topic, { records: RECORDS, keys: 100, headers: true, codec: 'lz4' });
      const backup = { compression, recompress: 'always' };
      const saved = await workspace.backup({ backupId: compression, topics: [topic], backup, run: onSource });
      assertExit(saved, 0);
      const target = `${topic}-restored`;
      const restored = await workspace.restore({ backupId: compression, topics: { [topic]: target }, run: onSource });
      assertExit(restored, 0);
      assert.equal(await assertSameRecords({ probe, topic }, { probe, topic: target }), RECORDS);
    });
  }
});
