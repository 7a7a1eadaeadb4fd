import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CatalogAction, type Commit, decodeCommit, encodeCommit } from '../../../src/catalog/commit.ts';
import { readCatalog } from '../../../src/catalog/catalog-reader.ts';
import { toJson } from '../../../src/model/json-fields.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { changeJson } from '../../support/sealed-json.ts';
import { gap, LAYOUT, ORDERS, segment, start, T0, topicId, topicSeen, truncation } from './catalog-fixture.ts';

const CORRUPT = { name: 'BackupError', code: 'CATALOG_CORRUPT' };
const KEY = LAYOUT.commit(1);

const anyOffset = fc.bigInt({ min: 0n, max: 2n ** 62n });
const anyAction: fc.Arbitrary<CatalogAction> = fc.oneof(
  fc
    .tuple(anyOffset, fc.nat(1000), fc.nat(5))
    .map(([base, span, timeline]) => segment(ORDERS, base, base + BigInt(span), { timeline })),
  fc.tuple(anyOffset, fc.nat(1000)).map(([base, span]) => gap(ORDERS, base, base + BigInt(span))),
  fc.tuple(anyOffset, fc.nat(9)).map(([end, timeline]) => truncation(ORDERS, end, timeline)),
  fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map((offset) => start(ORDERS, offset)),
  fc.nat(2 ** 41).map((observedAtMs) => topicSeen(ORDERS, observedAtMs)),
  fc.string().map((text): CatalogAction => ({ kind: 'note', text })),
  fc.constant<CatalogAction>({ kind: 'remove', key: LAYOUT.segment(ORDERS, 0n, 'x', 'none'), partition: ORDERS }),
);
const anyCommit: fc.Arbitrary<Commit> = fc
  .record({
    version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    previousSha256: fc.stringMatching(/^[0-9a-f]{64}$/),
    writer: fc.string(),
    committedAtMs: fc.nat(2 ** 41),
    requests: fc.array(fc.tuple(fc.string(), fc.nat())).map((counts) => new Map(counts)),
    actions: fc.array(anyAction, { maxLength: 8 }),
  })
  .map((commit) => ({ ...commit }));

describe('a commit', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(anyCommit, (commit) => {
        assert.deepEqual(decodeCommit(encodeCommit(commit), KEY), { ...commit });
      }),
      { seed: 20_261_120, numRuns: 300 },
    );
  });

  test('keeps a configuration that could not be read apart from an empty one', () => {
    for (const configs of [null, {}]) {
      const seen = topicSeen(ORDERS);
      assert.ok(seen.kind === 'topic');
      const action = { kind: 'topic', topic: { ...seen.topic, configs } } as const;
      const commit = {
        version: 1,
        previousSha256: '',
        writer: 'w',
        committedAtMs: T0,
        requests: new Map(),
        actions: [action],
      };
      assert.deepEqual(decodeCommit(encodeCommit(commit), KEY).actions, [action]);
    }
  });

  test('with fields that a later version may add is read', () => {
    const bytes = encodeCommit({
      version: 1,
      previousSha256: '',
      writer: 'w',
      committedAtMs: T0,
      requests: new Map(),
      actions: [segment(ORDERS, 0n, 5n)],
    });
    const later = changeJson(bytes, (commit) => {
      const [action] = commit['actions'] as [{ segment: object }];
      return { ...commit, actions: [{ ...action, segment: { ...action.segment, later: true } }], later: [] };
    });
    assert.equal(decodeCommit(later, KEY).actions.length, 1);
  });
});

type Json = Record<string, unknown>;

/** A first commit with one action of each kind. */
function plain(): Json & { actions: Json[] } {
  const actions = [
    segment(ORDERS, 0n, 5n),
    gap(ORDERS, 5n, 6n),
    truncation(ORDERS, 3n, 1),
    topicSeen(ORDERS),
    start(ORDERS, 5n),
  ];
  const commit = { formatVersion: 1, version: 1, previousSha256: '', writer: 'w', committedAtMs: T0, actions };
  return JSON.parse(toJson(commit)) as Json & { actions: Json[] };
}

const top = (change: Json) => (): unknown => ({ ...plain(), ...change });
const inside = (index: number, kind: string) => (change: Json) => (): unknown => {
  const json = plain();
  json.actions[index]![kind] = { ...(json.actions[index]![kind] as Json), ...change };
  return json;
};
const inSegment = inside(0, 'segment');
const inGap = inside(1, 'gap');
const inTruncation = inside(2, 'truncation');
const inTopic = inside(3, 'topic');
const inStart = inside(4, 'start');

const HOSTILE: Readonly<Record<string, () => unknown>> = {
  'a number for a commit': () => 7,
  'null for a commit': () => null,
  'an array for a commit': () => [plain()],
  'no format version': top({ formatVersion: undefined }),
  'format version 0': top({ formatVersion: 0 }),
  'a format version in words': top({ formatVersion: '1' }),
  'no version': top({ version: null }),
  'version 0': top({ version: 0 }),
  'version -1': top({ version: -1 }),
  'version 1.5': top({ version: 1.5 }),
  'a version beyond 2^53': top({ version: 2 ** 60 }),
  'another version than its key': top({ version: 2 }),
  'no previous hash': top({ previousSha256: undefined }),
  'a previous hash where there is none': top({ previousSha256: 'ab'.repeat(32) }),
  'no writer': top({ writer: undefined }),
  'a negative time': top({ committedAtMs: -1 }),
  'requests in a list': top({ requests: [1] }),
  'a fraction of requests': top({ requests: { PutObject: 0.5 } }),
  'fewer requests than none': top({ requests: { PutObject: -1 } }),
  'actions in an object': top({ actions: {} }),
  'no actions at all': top({ actions: undefined }),
  'an action that is null': top({ actions: [null] }),
  'an action that is a string': top({ actions: ['segment'] }),
  'an unknown kind of action': top({ actions: [{ kind: 'segments', segment: {} }] }),
  'a kind of its prototype': top({ actions: [{ kind: '__proto__' }] }),
  'a segment action without segment': top({ actions: [{ kind: 'segment' }] }),
  'a note that is a number': top({ actions: [{ kind: 'note', text: 1 }] }),
  'a start of nothing': top({ actions: [{ kind: 'start' }] }),
  'a start at a negative offset': inStart({ offset: '-1' }),
  'a start beyond 2^63': inStart({ offset: '9223372036854775808' }),
  'a start of no partition': inStart({ partition: -1 }),
  'a start that was never found': inStart({ foundAtMs: undefined }),
  'a start of what is no topic': inStart({ topic: '../x' }),
  'a removal without partition': top({ actions: [{ kind: 'remove', key: 'x' }] }),
  'a negative base offset': inSegment({ baseOffset: '-1' }),
  'a base offset beyond 2^63': inSegment({ baseOffset: '9223372036854775808' }),
  'a base offset of 30 digits': inSegment({ baseOffset: '1'.repeat(30) }),
  'a base offset as a number': inSegment({ baseOffset: 0 }),
  'a base offset as a float': inSegment({ baseOffset: '1.5' }),
  'an empty base offset': inSegment({ baseOffset: '' }),
  'a base offset in hex': inSegment({ baseOffset: '0x1' }),
  'a next offset before the base': inSegment({ baseOffset: '9', nextOffset: '8' }),
  'a negative record count': inSegment({ recordCount: -1 }),
  'a size that is NaN in JSON': inSegment({ storedSizeBytes: Number.NaN }),
  'a size in words': inSegment({ storedSizeBytes: '500' }),
  'a footer larger than its object': inSegment({ footerSizeBytes: 501 }),
  'a negative partition': inSegment({ partition: -1 }),
  'a hash that is a number': inSegment({ footerSha256: 5 }),
  'an unknown codec': inSegment({ codec: 'brotli' }),
  'an unknown timestamp type': inSegment({ timestampType: '' }),
  'a leader epoch of -2': inSegment({ leaderEpoch: -2 }),
  'truth in words': inSegment({ isTransactional: 'false' }),
  'no topic': inSegment({ topic: undefined }),
  'a topic that no cluster can have': inSegment({ topic: '../../etc' }),
  'an empty topic': inSegment({ topic: '' }),
  'a topic with a slash': inTopic({ topic: 'a/b' }),
  'a topic with an escape sequence': inTopic({ topic: '\u001b[2J' }),
  'a key outside the data': inSegment({ key: 'team/a/nightly/backup.json' }),
  'a key of another backup': inSegment({ key: 'team/a/other/data/orders/x/0/1.log' }),
  'a key that only begins alike': inSegment({ key: 'team/a/nightly/data2/x.log' }),
  'a key that climbs out of the data': inSegment({ key: `${LAYOUT.dataPrefix}../backup.json` }),
  'a key that climbs out of the store': inSegment({ key: `${LAYOUT.dataPrefix}../../../../../etc/passwd` }),
  'an absolute key': inSegment({ key: `/${LAYOUT.dataPrefix}x.log` }),
  'a key with a NUL': inSegment({ key: `${LAYOUT.dataPrefix}x\0.log` }),
  'a key with an encoded dot': inSegment({ key: `${LAYOUT.dataPrefix}%2e%2e/x.log` }),
  'a key that is a hidden file': inSegment({ key: `${LAYOUT.dataPrefix}.x.log` }),
  'a key of 2,000 characters': inSegment({ key: LAYOUT.dataPrefix + 'x/'.repeat(1000) }),
  'an empty key': inSegment({ key: '' }),
  'a gap that ends before it begins': inGap({ baseOffset: '5', lastOffset: '4' }),
  'a gap at negative offsets': inGap({ baseOffset: '-5', lastOffset: '4' }),
  'a gap for an unknown reason': inGap({ reason: 'because' }),
  'a truncation at a negative offset': inTruncation({ endOffset: '-1' }),
  'a truncation to timeline -1': inTruncation({ timeline: -1 }),
  'a topic of -1 partitions': inTopic({ partitions: -1 }),
  'a topic of more partitions than any has': inTopic({ partitions: 200_001 }),
  'a gap in a partition that no topic has': inGap({ partition: 200_000 }),
  'a configuration that is not text': inTopic({ configs: { 'retention.ms': 5 } }),
  'a configuration in words': inTopic({ configs: 'none' }),
};

async function readWith(bytes: Uint8Array): Promise<unknown> {
  const store = new MemoryObjectStore();
  await store.putIfAbsent(KEY, [bytes]);
  return readCatalog(store, LAYOUT);
}

describe('a catalog whose first commit has', () => {
  for (const [what, make] of Object.entries(HOSTILE)) {
    test(`${what} is refused`, async () => {
      await assert.rejects(readWith(Buffer.from(JSON.stringify(make()))), CORRUPT);
    });
  }

  test('a later format is refused as too new', async () => {
    await assert.rejects(readWith(Buffer.from(JSON.stringify({ ...plain(), formatVersion: 2 }))), {
      code: 'FORMAT_TOO_NEW',
    });
  });

  test('nothing wrong is read: what is refused above is refused for what was changed', async () => {
    await readWith(Buffer.from(JSON.stringify(plain())));
  });

  test('bytes that are not JSON is refused, cut at every length too', async () => {
    const whole = Buffer.from(JSON.stringify(plain()));
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(500),
      Buffer.from('{}{}'),
      Buffer.concat([whole, Buffer.from('x')]),
    ]) {
      await assert.rejects(readWith(bytes), CORRUPT);
    }
    for (let length = 0; length < whole.byteLength; length += 1) {
      await assert.rejects(readWith(whole.subarray(0, length)), CORRUPT, `cut at ${length}`);
    }
  });

  test('an object with a prototype of its own changes no other object', async () => {
    const text = JSON.stringify(plain()).replace('{', '{"__proto__":{"polluted":true},');
    await readWith(Buffer.from(text));
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  test('a topic id that is no topic id is read, and never becomes a key', async () => {
    const state = await readCatalogWithTopicId('../..');
    assert.ok(state !== undefined);
    assert.throws(() => LAYOUT.segment({ ...ORDERS, topicId: '../..' }, 0n, 'x', 'none'), CORRUPT);
    assert.throws(() => LAYOUT.checkpointPiece('orders', '../..', 1, 2, 'x'), CORRUPT);
    assert.equal(LAYOUT.checkpointPiece('orders', topicId('-'), 1, 2, 'x').includes('/-'), false);
  });

  function readCatalogWithTopicId(id: string): Promise<unknown> {
    return readWith(Buffer.from(JSON.stringify(inTopic({ topicId: id })())));
  }
});
