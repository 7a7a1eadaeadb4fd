// The restore plan and its preflight as validate-restore prints them.

import type { PlanSummary } from '../restore/restore-job.ts';
import { formatBytes, formatCount, formatInstant } from './format-quantities.ts';
import { renderTable } from './render-table.ts';
import { printable } from './terminal.ts';

export function renderPlan(plan: PlanSummary, backupId: string, target: string): string {
  const { fromMs, toMs, cut } = plan.recoveryTarget;
  const until = toMs === undefined ? 'latest' : formatInstant(toMs);
  const window = fromMs === undefined ? `to ${until}` : `from ${formatInstant(fromMs)} to ${until}`;
  const rows = plan.topics.map((topic) => [
    printable(topic.topic),
    String(topic.partitions),
    `${printable(topic.targetTopic)} (${topic.action})`,
    formatCount(topic.records),
    formatBytes(topic.storedBytes),
    formatInstant(topic.fromMs),
    formatInstant(topic.toMs),
    topic.gaps === 0 ? '' : `${topic.gaps} gap(s)`,
  ]);
  const count = (level: string): number => plan.checks.filter((check) => check.level === level).length;
  return [
    `Restore plan ${plan.planId}   backup ${backupId} at version ${plan.catalogVersion} -> ${target}   ${window}   cut: ${cut}`,
    renderTable(['TOPIC', 'PARTS', 'TARGET', 'RECORDS <=', 'READ', 'FROM', 'TO', 'NOTES'], rows),
    `Checks  ok ${count('ok')}   warn ${count('warn')}   block ${count('block')}`,
    ...plan.checks.map(({ level, name, message }) => `  ${level.padEnd(5)} ${name}: ${printable(message)}`),
  ].join('\n');
}
