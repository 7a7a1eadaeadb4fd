// A strict reader of Prometheus' text format 0.0.4, for the tests: whatever it does not know, it refuses.

import assert from 'node:assert/strict';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Families by name. Fails on a sample outside its family, a repeated family or series, or text that is not understood. */
export function parseExposition(text: string): ReadonlyMap<string, MetricFamily> {
  assert.match(text, /\n$/);
  const families = new Map<string, MetricFamily>();
  const seen = new Set<string>();
  let help: readonly [string, string] | null = null;
  let current = '';
  for (const line of text.split('\n').filter((candidate) => candidate !== '')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      help = [name, rest];
    } else if (keyword === 'TYPE') {
      assert.equal(help?.[0], name, 'HELP comes first');
      assert.ok(!families.has(name), `${name} twice`);
      assert.match(rest, /^(counter|gauge|histogram|summary|untyped)$/);
      families.set(name, { type: rest, help: help?.[1] ?? '', samples: [] });
      current = name;
    } else {
      const sample = parseSample(line);
      const family = families.get(current);
      assert.ok(family !== undefined && belongs(sample.name, current, family.type), line);
      const series = JSON.stringify([sample.name, Object.entries(sample.labels).sort(byName)]);
      assert.ok(!seen.has(series), `${line} twice`);
      seen.add(series);
      family.samples.push(sample);
    }
  }
  return families;
}

function byName([one]: readonly [string, string], [other]: readonly [string, string]): number {
  return one < other ? -1 : 1;
}

function belongs(name: string, family: string, type: string): boolean {
  if (name === family) return type !== 'histogram';
  const suffix = name.slice(family.length);
  return name.startsWith(family) && type === 'histogram' && ['_bucket', '_sum', '_count'].includes(suffix);
}

function parseSample(line: string): Sample {
  const match = SAMPLE.exec(line);
  assert.ok(match !== null, `not understood: ${line}`);
  const [, name = '', labelText = '', valueText = ''] = match;
  const value = Number(valueText.replace(/^([+-]?)Inf$/, '$1Infinity'));
  assert.ok(!Number.isNaN(value) || valueText === 'Nan' || valueText === 'NaN', line);
  return { name, labels: parseLabels(labelText), value };
}

function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    assert.ok(match !== null, `labels not understood: ${text}`);
    const [, label = '', value = ''] = match;
    assert.ok(!(label in labels), `label ${label} twice`);
    labels[label] = value.replaceAll(/\\(["\\n])/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}
