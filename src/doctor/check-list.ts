// What a doctor finds: numbered checks, each with what it saw and, where that is not well, what to do about it.

import { BackupError, type ErrorCode, messageOf } from '../model/errors.ts';

export type CheckStatus = 'ok' | 'warn' | 'fail';

export interface Check {
  /** From 1 on, in the order they were made. */
  readonly number: number;
  /** What was looked at: `store`, `source`, `target NAME`. */
  readonly area: string;
  readonly name: string;
  readonly status: CheckStatus;
  readonly message: string;
  /** Null where all is well. */
  readonly remedy: string | null;
  /** Of the failure behind it; null where there is none. */
  readonly code: ErrorCode | null;
}

/** What one check saw. */
export type Finding =
  | { readonly status: 'ok'; readonly message: string }
  | { readonly status: 'warn' | 'fail'; readonly message: string; readonly remedy: string };

export const ok = (message: string): Finding => ({ status: 'ok', message });
export const warn = (message: string, remedy: string): Finding => ({ status: 'warn', message, remedy });
export const fail = (message: string, remedy: string): Finding => ({ status: 'fail', message, remedy });

export class CheckList {
  readonly checks: Check[] = [];

  /** Of the check that was made last. */
  get lastCode(): ErrorCode | null {
    return this.checks.at(-1)?.code ?? null;
  }

  /**
   * Makes one check. What it throws is its finding, with the remedy of the error's code; a defect of ours is thrown on.
   * @returns false when it failed: what rests on it is not worth checking then
   */
  async check(area: string, name: string, look: () => Promise<Finding>): Promise<boolean> {
    const number = this.checks.length + 1;
    try {
      const finding = await look();
      const remedy = finding.status === 'ok' ? null : finding.remedy;
      const { status, message } = finding;
      this.checks.push({ number, area, name, status, message, remedy, code: null });
      return status !== 'fail';
    } catch (error) {
      if (!(error instanceof BackupError) || error.code === 'INTERRUPTED') throw error;
      const { code, kind } = error;
      this.checks.push({ number, area, name, status: 'fail', message: messageOf(error), remedy: kind.hint, code });
      return false;
    }
  }
}

/** What ends a backup with that exit code. One that lacks a permission on some of its topics goes on with the others. */
const AUTHENTICATION: ReadonlySet<ErrorCode | null> = new Set([
  'KAFKA_AUTHENTICATION_FAILED',
  'STORE_AUTHENTICATION_FAILED',
  'STORE_AUTHORIZATION_FAILED',
]);

/** 12 when somebody refused the credentials, or the store what they ask for; 1 when anything else failed. */
export function exitCodeOf(checks: readonly Check[]): number {
  const failed = checks.filter(({ status }) => status === 'fail');
  if (failed.some(({ code }) => AUTHENTICATION.has(code))) return 12;
  return failed.length === 0 ? 0 : 1;
}

const MAX_NAMED = 5;

/** `a, b, c, d, e and 3 more` */
export function namesText(names: readonly string[]): string {
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  return `${names.slice(0, MAX_NAMED).join(', ')}${more}`;
}
