// The checks of `doctor`, for people and as JSON.

import type { Check, CheckStatus } from '../../../doctor/check-list.ts';
import { printable } from '../terminal.ts';

export function renderChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ area, name }) => `${area}: ${name}`.length));
  const digits = String(checks.length).length;
  const lines = checks.flatMap(({ number, area, name, status, message, remedy }) => {
    const head = `${String(number).padStart(digits)}. ${status.padEnd(4)}  ${printable(`${area}: ${name}`).padEnd(width)}`;
    const indent = ' '.repeat(digits + 8);
    return [`${head}  ${printable(message)}`, ...(remedy === null ? [] : [`${indent}-> ${printable(remedy)}`])];
  });
  return [...lines, verdict(checks)].join('\n');
}

export function doctorJson(checks: readonly Check[]): Readonly<Record<string, unknown>> {
  return {
    message_type: 'summary',
    command: 'doctor',
    ok: countOf(checks, 'ok'),
    warnings: countOf(checks, 'warn'),
    failures: countOf(checks, 'fail'),
    checks: checks.map(({ number, area, name, status, message, remedy, code }) => ({
      ...{ number, area, name, status, message, remedy, error: code },
    })),
  };
}

function verdict(checks: readonly Check[]): string {
  const [warnings, failures] = [countOf(checks, 'warn'), countOf(checks, 'fail')];
  if (failures > 0) return `Result: ${failures} of ${checks.length} checks failed, ${warnings} warning(s)`;
  return warnings > 0
    ? `Result: it works, with ${warnings} warning(s)`
    : `Result: all ${checks.length} checks are well`;
}

function countOf(checks: readonly Check[], status: CheckStatus): number {
  return checks.filter((check) => check.status === status).length;
}
