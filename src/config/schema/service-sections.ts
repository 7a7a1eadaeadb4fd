// The process itself: control port, metrics, logging; and the sections of the peer that have no counterpart here.

import { choice, count, durationMs, durationSecs, flag, hostNames, listen, path, text, urlPath } from './leaf.ts';

const CONTROL_SERVES =
  'metrics are served by the control port alone, at /metrics: that of a continuous backup, elsewhere where control.listen is set.';
const POSITIONS = 'resume positions come from the catalog in the store; there is no offset database.';

export function controlSection() {
  return {
    listen: listen({
      doc: 'Address of the control port, or `false` for none. Addresses other than loopback need `token_file`. A restore from a file with `mode: restore` opens it as long as it runs: for health, metrics, its state and cancelling it.',
      default: null,
      defaultText: '127.0.0.1:8083 in continuous mode, else none',
    }),
    token_file: path({
      doc: 'File with the token that writing calls must carry. Without it the control port is read-only.',
      default: null,
    }),
    allowed_hosts: hostNames({
      doc: 'Names by which `/v1` may be called, such as `kafka-backup.monitoring.svc`, besides `localhost` and the address itself. Health and metrics answer to any name.',
      default: [],
    }),
  };
}

export function metricsSection() {
  return {
    enabled: flag({
      doc: 'Serve metrics.',
      default: true,
      status: { kind: 'notice', text: CONTROL_SERVES, quietWhen: true },
    }),
    path: urlPath({
      doc: 'Path of the metrics.',
      default: '/metrics',
      status: { kind: 'notice', text: CONTROL_SERVES, quietWhen: '/metrics' },
    }),
    max_partition_labels: count({
      doc: 'Partitions with metrics of their own; above this number topics are summed up. 0 means no limit.',
      default: 100,
      min: 0,
      max: 1_000_000,
    }),
    port: count({
      doc: 'Port for metrics.',
      default: 8080,
      min: 0,
      max: 65_535,
      status: { kind: 'notice', text: CONTROL_SERVES },
    }),
    bind_address: text({
      doc: 'Address for metrics.',
      default: '0.0.0.0',
      status: { kind: 'notice', text: CONTROL_SERVES },
    }),
    update_interval_ms: durationMs({
      doc: 'How often metrics are computed.',
      unit: 'ms',
      default: 500,
      min: 1,
      max: 86_400_000,
      status: { kind: 'notice', text: 'metrics are computed when they are asked for.' },
    }),
    keep_alive_seconds: durationSecs({
      doc: 'Time to stay alive for a last scrape.',
      unit: 's',
      default: 0,
      min: 0,
      max: 86_400,
      status: { kind: 'notice', text: 'the process ends when its work is done; the summary is printed.', quietWhen: 0 },
    }),
  };
}

export function loggingSection() {
  return {
    level: choice(['debug', 'info', 'warn', 'error'], {
      doc: 'Least severity that is logged, in small letters or capitals; `-v` lowers it to `debug`. There is nothing beyond these: `trace` means `debug`, `fatal` means `error`.',
      default: 'info',
      aliases: { trace: 'debug', fatal: 'error' },
      anyCase: true,
    }),
    format: choice(['auto', 'json', 'pretty'], {
      doc: 'Form of log lines; `auto` is pretty on a terminal and JSON elsewhere. `text` means `pretty`.',
      default: 'auto',
      aliases: { text: 'pretty' },
    }),
  };
}

export function offsetStorageSection() {
  const status = { kind: 'notice', text: POSITIONS } as const;
  return {
    backend: choice(['sqlite', 'memory'], { doc: 'Kind of offset database.', default: 'sqlite', status }),
    db_path: path({ doc: 'File of the offset database.', default: './offsets.db', status }),
    s3_key: text({ doc: 'Object key of its copy.', default: null, status }),
    sync_interval_secs: durationSecs({
      doc: 'How often it is copied.',
      unit: 's',
      default: 30,
      min: 1,
      max: 86_400,
      status,
    }),
  };
}
