// A clock held against ours: logins with tokens, signed requests and retention all go by it.

import { type Finding, fail, ok, warn } from './check-list.ts';

const WORTH_TELLING_MS = 5_000;
/** S3 and Azure refuse requests that are signed 15 minutes off. */
const UNBEARABLE_MS = 10 * 60_000;
const REMEDY = 'Let both hosts follow a time server (chrony, systemd-timesyncd).';

/** @param whose for the message: "the clock of the store" */
export function clockFinding(whose: string, theirMs: number, ourMs: number): Finding {
  const seconds = Math.round((theirMs - ourMs) / 1000);
  if (Math.abs(theirMs - ourMs) <= WORTH_TELLING_MS) return ok(`${whose} agrees with ours within 5 s`);
  const text = `${whose} is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} ours`;
  return Math.abs(theirMs - ourMs) > UNBEARABLE_MS ? fail(text, REMEDY) : warn(text, REMEDY);
}
