// Every operation that the agent asks of a store, tried once on objects made for it and removed again: that it is reached, lets us
// list, create, read and delete, and keeps to put-if-absent, for small objects and for those that go up in parts.

import { randomBytes } from 'node:crypto';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { BackupError, type ErrorCode, messageOf } from '../model/errors.ts';
import type { Deletion, ObjectStore } from '../storage/object-store.ts';
import { CheckList, fail, type Finding, ok, warn } from './check-list.ts';
import { clockFinding } from './clock-finding.ts';
import { givesUp, objectInParts, type PartSubject, readsAcrossParts } from './part-checks.ts';

export interface StoreSubject {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  /** Above this size objects go up in parts; null where they never do. */
  readonly partSizeBytes: number | null;
  /** How the store is asked to check what it is sent; null where it has no way of its own. */
  readonly checksum: string | null;
  /** What was written can be neither changed nor deleted for so long; null without object lock. */
  readonly objectLockDays: number | null;
  readonly wallMs: () => number;
}

const AREA = 'store';
const CONTENT = Buffer.from('Written and read by kafka-backup doctor; may be deleted.\n');

/** One permission may be lacking while the others are there; what else fails here stands in the way of everything. */
const OTHERS_MAY_WORK: ReadonlySet<ErrorCode | null> = new Set(['STORE_AUTHORIZATION_FAILED', 'STORE_FULL']);

/** True when what the store holds can be read. Whatever does not rest on a check that failed is looked at all the same. */
export async function checkStore(subject: StoreSubject, list: CheckList): Promise<boolean> {
  const { store, layout, wallMs } = subject;
  const key = layout.doctorProbe(randomBytes(6).toString('hex'));
  const isListed = await list.check(AREA, 'reach and list', async () => {
    for await (const _ of store.list(`${layout.root}/`)) break;
    return ok(store.description);
  });
  if (!isListed && !OTHERS_MAY_WORK.has(list.lastCode)) return false;
  // Asked of the cloud stores by listing.
  if (isListed) {
    await list.check(AREA, 'clock', async () => clockFinding('the clock of the store', await store.clock(), wallMs()));
  }
  const isCreated = await list.check(AREA, 'create', async () => created(store, key, [CONTENT]));
  if (!isCreated && !OTHERS_MAY_WORK.has(list.lastCode)) return false;
  const checkRest = isCreated ? checkObjects : checkWithoutObject;
  const isRead = await checkRest(subject, key, isListed, list);
  await list.check(AREA, 'checksums', async () => checksumFinding(subject));
  return isListed && isRead;
}

/** With an object that was created at `key`. True when it can be read. */
async function checkObjects(subject: StoreSubject, key: string, isListed: boolean, list: CheckList): Promise<boolean> {
  const { store, partSizeBytes } = subject;
  const parts = partSizeBytes === null ? null : { store, key: `${key.slice(0, -4)}-parts.txt`, partSizeBytes };
  let isRead = false;
  let isInParts = false;
  try {
    await list.check(AREA, 'put if absent', () => refusesSecond(store, key, [CONTENT]));
    isRead = await list.check(AREA, 'read', () => readsBack(store, key));
    if (isListed) await list.check(AREA, 'list after a key', () => listsIt(store, key));
    isInParts = parts !== null && (await checkParts(parts, list));
  } finally {
    const keys = parts === null ? [key] : [key, parts.key];
    await list.check(AREA, 'delete', () => deletes(subject, keys, isRead));
  }
  // Only a look tells that nothing has become of an upload.
  await checkUploads(subject, isInParts && isRead ? parts : null, list);
  return isRead;
}

/** True when an object can go up in parts. */
async function checkParts(parts: PartSubject, list: CheckList): Promise<boolean> {
  const { store, key } = parts;
  if (!(await list.check(AREA, 'create in parts', () => created(store, key, objectInParts(parts))))) return false;
  await list.check(AREA, 'put if absent in parts', () => refusesSecond(store, key, objectInParts(parts)));
  await list.check(AREA, 'read in parts', () => readsAcrossParts(parts));
  return true;
}

/** What can be told where nothing may be created. True when something could be read. */
async function checkWithoutObject(
  subject: StoreSubject,
  key: string,
  isListed: boolean,
  list: CheckList,
): Promise<boolean> {
  const { store } = subject;
  // Whoever may not list is refused an object that is not there, though it may read (S3).
  const isRead = isListed && (await list.check(AREA, 'read', async () => absentFinding(await store.get(key), key)));
  await list.check(AREA, 'delete', () => deletes(subject, [key], isRead));
  await checkUploads(subject, null, list);
  return isRead;
}

function absentFinding(found: Uint8Array | undefined, key: string): Finding {
  if (found === undefined) return ok('it is allowed; nothing could be created to be read back');
  return fail(`${key} is there, which was never written`, 'Look for a cache or proxy before it.');
}

/** Where uploads cannot be listed, nothing tells whether one that was given up is gone. @param parts null: none can be tried */
async function checkUploads(
  { store, layout }: StoreSubject,
  parts: PartSubject | null,
  list: CheckList,
): Promise<void> {
  let isListed = false;
  await list.check(AREA, 'unfinished uploads', async () => {
    const finding = await listsUploads(store, layout);
    isListed = finding.status === 'ok';
    return finding;
  });
  if (!isListed || parts === null) return;
  const key = layout.doctorProbe(`${randomBytes(6).toString('hex')}-given-up`);
  await list.check(AREA, 'give up an upload', () => givesUp({ ...parts, key }));
}

async function created(store: ObjectStore, key: string, chunks: Iterable<Uint8Array>): Promise<Finding> {
  const outcome = await store.putIfAbsent(key, chunks);
  if (outcome === 'created') return ok(`created ${key}`);
  return fail(`the store says that ${key} is there, which was never written`, 'Look for a cache or proxy before it.');
}

async function refusesSecond(store: ObjectStore, key: string, chunks: Iterable<Uint8Array>): Promise<Finding> {
  if ((await store.putIfAbsent(key, chunks)) === 'exists') return ok('a second put of the same key is refused');
  return fail(
    `${store.description} overwrites objects where it was told not to`,
    'Use a store with conditional writes: without them, two agents could destroy a backup.',
  );
}

async function readsBack(store: ObjectStore, key: string): Promise<Finding> {
  const whole = await store.get(key);
  const range = await store.get(key, { position: 8, sizeBytes: 3 });
  const suffix = await store.get(key, { suffixBytes: 8 });
  const info = await store.head(key);
  const isRight =
    whole !== undefined &&
    CONTENT.equals(whole) &&
    CONTENT.subarray(8, 11).equals(range ?? Buffer.alloc(0)) &&
    CONTENT.subarray(-8).equals(suffix ?? Buffer.alloc(0)) &&
    info?.sizeBytes === CONTENT.byteLength;
  if (isRight) return ok('whole, by range, from the end, and its size');
  return fail(
    `what was written to ${key} was not read back`,
    'Look for a cache or proxy that changes or withholds bytes.',
  );
}

async function listsIt(store: ObjectStore, key: string): Promise<Finding> {
  const before = key.slice(0, -1);
  for await (const found of store.list(key.slice(0, key.lastIndexOf('/') + 1), before)) {
    if (found.key === key) return ok('a new object is listed at once, in its place');
    break;
  }
  return fail(`${key} is not listed right after it was created`, 'Use a store whose listings are consistent.');
}

/** A backup gets by without it. @param isRead whether one may look if they are gone */
async function deletes(
  { store, objectLockDays }: StoreSubject,
  keys: readonly string[],
  isRead: boolean,
): Promise<Finding> {
  const lock = objectLockDays === null ? '' : ` Object lock keeps them for ${objectLockDays} day(s).`;
  let deletion: Deletion = 'deleted';
  try {
    for (const key of keys) {
      if ((await store.delete(key)) === 'hidden') deletion = 'hidden';
      if (isRead && (await store.head(key)) !== undefined) {
        return warn(`${key} is still there after it was deleted`, 'prune would remove nothing in this store.');
      }
    }
  } catch (error) {
    if (!(error instanceof BackupError) || error.kind.retriable) throw error;
    return warn(messageOf(error), `Backups work without it; prune needs it. ${keys.join(' and ')} stay.${lock}`);
  }
  if (deletion === 'deleted') return ok('what the doctor wrote is gone again');
  return warn(
    'what the doctor wrote is hidden; the old version stays until its lock or a lifecycle rule ends it',
    `The bucket keeps versions, so what prune removes goes on taking room: give it a lifecycle rule for noncurrent versions.${lock}`,
  );
}

async function listsUploads(store: ObjectStore, layout: ObjectLayout): Promise<Finding> {
  try {
    let count = 0;
    for await (const _ of store.unfinished(layout.dataPrefix)) count += 1;
    return ok(count === 0 ? 'none' : `${count}, of running agents or left behind; kafka-backup prune tells`);
  } catch (error) {
    if (!(error instanceof BackupError) || error.kind.retriable) throw error;
    return warn(messageOf(error), 'Backups work without it; prune needs it to find what crashes leave behind.');
  }
}

/** Told, not tried: no store can be sent a wrong checksum through its client. What came back was compared by other checks. */
function checksumFinding({ checksum }: StoreSubject): Finding {
  if (checksum === 'when_required') {
    return warn(
      'the store is sent no checksums (checksum: when_required); validate --deep finds damage by our own',
      'Set storage.checksum: when_supported, and keep it where this store accepts that.',
    );
  }
  const own = 'our own SHA-256 of every object, which restores and validate --deep check';
  return ok(
    checksum === null ? own : `${checksum} is sent along, and it is up to the store to check it; besides, ${own}`,
  );
}
