// deploy/METRICS.md as text, from the metric table. Pure: same table, same text.

import { METRICS, type MetricDefinition } from './metric-table.ts';

const INTRODUCTION = `# Metrics

Served at \`/metrics\` of the control port in Prometheus' text format. This page is generated from the metric table.
A metric without a value yet (no commit, no restore) is absent, never a false zero.

| metric | type | unit | labels | meaning |
|---|---|---|---|---|`;

const CLOSING = `
Beside these come the \`process_*\` and \`nodejs_*\` metrics of the process: CPU, memory, file descriptors, event loop lag, garbage collection.
`;

/** The whole page, ending in a line break. */
export function renderMetrics(): string {
  return [INTRODUCTION, ...Object.values(METRICS).map(renderRow), CLOSING].join('\n');
}

function renderRow({ name, type, unit, labels, help, buckets }: MetricDefinition): string {
  const names = labels.map((label) => `\`${label}\``).join(', ') || 'none';
  const bounds = buckets === undefined ? '' : ` Buckets: ${buckets.join(', ')}.`;
  return `| \`${name}\` | ${type} | ${unit} | ${names} | ${help.replaceAll('|', '\\|')}${bounds} |`;
}
