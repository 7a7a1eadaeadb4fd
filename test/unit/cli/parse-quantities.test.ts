import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseBandwidth, parseDuration, parseSize } from '../../../src/cli/input/parse-quantities.ts';

type Parse = (text: string, flag: string) => number;

const CASES: readonly (readonly [string, Parse, Readonly<Record<string, number>>, readonly string[]])[] = [
  [
    'durations',
    parseDuration,
    { '0s': 0, '90s': 90_000, '5m': 300_000, '24h': 86_400_000, '7d': 604_800_000 },
    ['', '24', 'h', '-1h', '1.5h', '1 h', '24H', '1w', '1h30m', '9999999h'],
  ],
  [
    'sizes',
    parseSize,
    { '64MB': 64_000_000, '64MiB': 67_108_864, '1GiB': 1_073_741_824, '512B': 512, '2KB': 2000 },
    ['', '64', '0MB', 'MB', '64M', '1.5MB', '-1MB', '64mb', '64 MB'],
  ],
  [
    'bandwidths',
    parseBandwidth,
    { '8bit/s': 1, '1Gbit/s': 125_000_000, '2.5Mbit/s': 312_500, '100MB/s': 100_000_000, '1MiB/s': 1_048_576 },
    ['', '1Gbit', '1G', '0Mbit/s', '-1Mbit/s', '1Gib/s', '100', 'Mbit/s', '1e9bit/s'],
  ],
];

describe('quantities on a command line', () => {
  for (const [what, parse, good, bad] of CASES) {
    test(`are ${what} with their unit, and nothing else`, () => {
      for (const [text, value] of Object.entries(good)) assert.equal(parse(text, '--flag'), value, text);
      for (const text of bad) assert.throws(() => parse(text, '--flag'), { code: 'USAGE_INVALID' }, text);
    });
  }
});
