import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  BackupError,
  ERROR_KINDS,
  type ErrorKind,
  invariant,
  isRetriable,
  messageOf,
} from '../../../src/model/errors.ts';

const KINDS = Object.entries<ErrorKind>(ERROR_KINDS);

describe('the table of errors', () => {
  test('names codes as constants, with a summary, and a hint that is a sentence', () => {
    for (const [code, { summary, hint }] of KINDS) {
      assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
      assert.match(summary, /[^.]$/, code);
      assert.match(hint, /[.]$/, code);
    }
  });

  test('advises of stores what holds for all of them', () => {
    const ofStores = KINDS.filter(([code]) => code.startsWith('STORE_'));
    for (const [code, { hint }] of ofStores) assert.doesNotMatch(hint, /checksum:|If-None-Match|S3|Azure|GCS/, code);
    assert.match(ERROR_KINDS.STORE_CHECKSUM_MISMATCH.hint, /Read: .* damaged in the store.* copy/);
    assert.match(ERROR_KINDS.STORE_REFUSED.hint, /of an object, what holds, locks or archives it/);
  });

  test('uses only the exit codes of DESIGN 7, and statuses of HTTP', () => {
    const exitCodes = new Set([1, 2, 3, 4, 10, 11, 12, 13, 20, 130]);
    for (const [code, { exitCode, httpStatus }] of KINDS) {
      assert.ok(exitCodes.has(exitCode), `${code}: ${exitCode}`);
      assert.ok(httpStatus >= 400 && httpStatus < 600, code);
    }
  });

  test('lets nothing be retried that a retry cannot mend', () => {
    for (const code of [
      'OBJECT_CORRUPT',
      'SOURCE_DAMAGED',
      'CATALOG_CORRUPT',
      'FENCED',
      'FORMAT_TOO_NEW',
      'STORE_REFUSED',
    ] as const) {
      assert.equal(isRetriable(new BackupError(code, 'x')), false, code);
    }
    for (const code of ['STORE_UNAVAILABLE', 'STORE_FULL', 'KAFKA_UNREACHABLE'] as const) {
      assert.equal(isRetriable(new BackupError(code, 'x')), true, code);
    }
    for (const other of [new Error('a defect'), 'text', undefined, null]) assert.equal(isRetriable(other), false);
  });
});

describe('an error', () => {
  test('carries its code, its context and its cause', () => {
    const cause = new Error('ENOENT');
    const error = new BackupError('STORE_REFUSED', 'open x', { context: { key: 'x' }, cause });
    assert.deepEqual(
      [error.name, error.code, error.message, error.context, error.cause],
      ['BackupError', 'STORE_REFUSED', 'open x', { key: 'x' }, cause],
    );
    assert.equal(error.kind, ERROR_KINDS.STORE_REFUSED);
    assert.equal('cause' in new BackupError('FENCED', 'x'), false);
  });

  test('gives its text whatever was thrown', () => {
    assert.deepEqual([new Error('a'), 'b', 7, undefined].map(messageOf), ['a', 'b', '7', 'undefined']);
  });

  test('of a broken invariant is no error of the operator\u2019s', () => {
    invariant(true, 'never');
    assert.throws(
      () => invariant(0, 'counts agree'),
      (error: Error) => !(error instanceof BackupError) && /counts agree/.test(error.message),
    );
  });
});
