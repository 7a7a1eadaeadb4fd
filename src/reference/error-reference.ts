// deploy/ERRORS.md as text, from the error table. Pure: same table, same text.

import { ERROR_KINDS, type ErrorKind } from '../model/errors.ts';

const INTRODUCTION = `# Errors

Every failure carries one of these codes: in log lines as \`code\`, on the control port as \`code\` beside the HTTP status, on the
command line with \`--json\` as \`error\` beside the exit code. The hint is printed with the message. What is retriable is tried
again with back-off before it is told. This page is generated from the table of errors; do not edit.`;

const EXIT_CODES: ReadonlyMap<number, string> = new Map([
  [0, 'done, nothing missing'],
  [1, 'failed'],
  [2, 'usage or configuration; nothing was started'],
  [3, 'finished with gaps, or incomplete'],
  [4, 'the preflight blocked a restore; nothing was written'],
  [10, 'no such backup or restore'],
  [11, 'fenced: another process backs up the same partition, or has taken over the restore'],
  [12, 'authentication or authorization'],
  [13, 'integrity: something is not what was written'],
  [20, 'no agent answers on the control port'],
  [130, 'interrupted'],
]);

/** The whole page, ending in a line break. */
export function renderErrorReference(): string {
  return `${[INTRODUCTION, '', ...exitCodeTable(), '', ...kindTable()].join('\n')}\n`;
}

function exitCodeTable(): string[] {
  const rows = [...EXIT_CODES].map(([code, meaning]) => {
    const causes = Object.entries<ErrorKind>(ERROR_KINDS).filter(([, { exitCode }]) => exitCode === code);
    return `| ${code} | ${meaning} | ${causes.map(([name]) => `\`${name}\``).join(', ')} |`;
  });
  return ['## Exit codes', '', '| exit code | meaning | codes |', '|---|---|---|', ...rows];
}

function kindTable(): string[] {
  const rows = Object.entries<ErrorKind>(ERROR_KINDS).map(([code, kind]) => {
    const { summary, retriable, exitCode, httpStatus, hint } = kind;
    return `| \`${code}\` | ${cell(summary)} | ${retriable ? 'yes' : 'no'} | ${exitCode} | ${httpStatus} | ${cell(hint)} |`;
  });
  const head = ['| code | meaning | retriable | exit code | HTTP status | hint |', '|---|---|---|---|---|---|'];
  return ['## Codes', '', ...head, ...rows];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
