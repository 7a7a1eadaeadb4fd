// The documents that are printed from tables in the source. To add one, add an entry; `npm run docs` writes it and
// `npm run docs -- --check` fails when a file differs.

import { configJsonSchema } from '../config/json-schema.ts';
import { renderMetrics } from '../telemetry/render-metrics.ts';
import { renderConfigReference } from './config-reference.ts';
import { renderErrorReference } from './error-reference.ts';

export interface GeneratedDocument {
  /** Relative to the root of the project. */
  readonly path: string;
  /** The whole text, the same on every run. */
  readonly render: () => string;
}

export const DOCUMENTS: readonly GeneratedDocument[] = [
  { path: 'config/REFERENCE.md', render: renderConfigReference },
  { path: 'config/schema.json', render: () => `${JSON.stringify(configJsonSchema(), null, 2)}\n` },
  { path: 'deploy/METRICS.md', render: renderMetrics },
  { path: 'deploy/ERRORS.md', render: renderErrorReference },
];
