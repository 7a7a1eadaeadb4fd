// Which way imports point: every folder of src with all it may import, every npm package with its one home.
// `npm run check` fails on any other import, and when fewer modules were cruised than there are files: with a TypeScript
// that this tool cannot use, it would see nothing and complain about nothing.

const CONTRACTS = {
  store: 'storage/object-(store|key)\\.ts',
  log: 'kafka/partition-log\\.ts',
  probe: 'kafka/probe/cluster-probe\\.ts',
  sink: 'kafka/restore-sink\\.ts',
};
// A store that may go away: noticed, and waited for.
const WITNESSED_STORE = 'storage/witnessed-store\\.ts';
const PATIENT_STORE = 'storage/patient-store\\.ts';
const WORKERS = 'compression/';
const BELOW_FLOWS = ['model/', 'record/', 'segment/', 'catalog/', WORKERS, CONTRACTS.store];
// What a flow shows of itself to those above: plain data and the one function that starts it.
const BACKUP_FACE = 'backup/(progress/backup-status|backup-supervisor)\\.ts';
const IMPORT_FACE = 'import/(import-run|partition-import)\\.ts';
const VERIFICATION_FACE = 'verification/(verification-run|lane-verification)\\.ts';
const RESTORE_FACE =
  'restore/(restore-job|documents/.*|journal/(list-restores|offset-map|offset-runs|restore-report))\\.ts';

/** From (below src) to what it may import besides itself (below src). Type imports count. */
const MAY_IMPORT = {
  'main\\.ts': ['agent\\.ts'],
  // What the package has in the place of agent.ts.
  'bundle/': ['agent\\.ts', 'model/errors\\.ts'],
  'process-terminal\\.ts': ['cli/output/terminal\\.ts', 'progress-line\\.ts'],
  'progress-line\\.ts': [],
  'agent\\.ts': [
    'agent/',
    'package-files\\.ts',
    'process-terminal\\.ts',
    'cli/(program|services)\\.ts',
    'compression/',
    'config/',
  ],
  'package-files\\.ts': [],
  // The only wiring.
  'agent/': ['(?!main|bundle/|frame-worker|process-terminal|reference/|agent\\.ts)'],
  'frame-worker\\.ts': ['model/', WORKERS, 'segment/', 'restore/judge/(judge-frame|find-cut)\\.ts'],
  'cli/': [
    'model/',
    'inspection/',
    'validation/',
    'prune/prune-run\\.ts',
    'doctor/check-list\\.ts',
    'estimate/(estimate-run|projection)\\.ts',
    IMPORT_FACE,
    VERIFICATION_FACE,
    'catalog/',
    'segment/',
    WORKERS,
    CONTRACTS.store,
    BACKUP_FACE,
    RESTORE_FACE,
  ],
  'control/': ['model/', 'inspection/', 'telemetry/', BACKUP_FACE, RESTORE_FACE],
  'telemetry/': ['model/', 'backup/progress/backup-status\\.ts', RESTORE_FACE],
  'backup/': [...BELOW_FLOWS, CONTRACTS.log],
  'restore/': [...BELOW_FLOWS, CONTRACTS.sink, PATIENT_STORE],
  // Plans a restore again and makes its batches again, to hold them against what the target has.
  'verification/': [...BELOW_FLOWS, 'restore/', CONTRACTS.log, PATIENT_STORE],
  // Reads the format of another program, so nothing else of the agent knows that format.
  'import/': [...BELOW_FLOWS, PATIENT_STORE],
  'inspection/': BELOW_FLOWS,
  'validation/': [...BELOW_FLOWS, 'inspection/', WITNESSED_STORE],
  // Looks at everything and belongs to no flow.
  'doctor/': ['model/', 'catalog/', 'survey/', CONTRACTS.store, CONTRACTS.log, CONTRACTS.sink, CONTRACTS.probe],
  'estimate/': [...BELOW_FLOWS, 'survey/', CONTRACTS.log, CONTRACTS.probe],
  // What is looked at before anything is done, by doctor and estimate alike.
  'survey/': ['model/', CONTRACTS.log],
  'prune/': [...BELOW_FLOWS, 'inspection/'],
  'catalog/': ['model/', CONTRACTS.store],
  'segment/': ['model/', 'record/', WORKERS, CONTRACTS.store],
  'compression/': ['model/'],
  // The checksum of Google Cloud Storage is that of Kafka's batches.
  'storage/': ['model/', 'record/crc32c\\.ts'],
  'kafka/': ['model/', 'record/'],
  'record/': ['model/'],
  'config/': ['model/'],
  'reference/': ['model/', 'config/', 'control/routes\\.ts', 'telemetry/(metric-table|render-metrics)\\.ts'],
  'model/': [],
};

/** By package or built-in module: where it may be imported (below src). */
const HOMES = {
  '(kafkajs)(?!/src)': 'kafka/',
  'kafkajs/src': 'kafka/connection/kafkajs-(wire|internals)',
  piscina: 'compression/piscina-pool\\.ts',
  '(zstd-napi|lz4-napi)': '(compression/frame-codec|record/producer-compression)\\.ts',
  snappy: 'record/producer-compression\\.ts',
  '@node-rs/crc32': 'model/buffer/native-checksums\\.ts',
  '@aws-sdk': 'storage/s3/',
  '(@google-cloud/storage|google-auth-library)': 'storage/gcs/',
  '@azure': 'storage/azure/',
  'prom-client': 'telemetry/metrics\\.ts',
  '@opentelemetry': 'telemetry/(spans|tracing)\\.ts',
  '(pino|pino-pretty)': 'telemetry/logger\\.ts',
  fastify: 'control/control-server\\.ts',
  commander: 'cli/',
  '(convict|yaml)': 'config/',
};
/** Where a process, a worker thread or a script begins. */
const ROOTS = '(main|frame-worker|reference/print|bundle/(packaged-agent|keep-code))\\.ts$';
const READS_FILES = [
  'storage/(filesystem/(filesystem-object-store|durable-file|store-directory|temporary-files)|request/https-agent|gcs/gcs-client)\\.ts',
  'config/',
  'control/token-file\\.ts',
  'doctor/made-directories\\.ts',
  'kafka/connection/connection-settings\\.ts',
  'reference/print\\.ts',
  'bundle/',
];

const direction = Object.entries(MAY_IMPORT).map(([from, to]) => ({
  name: `${from.replaceAll('\\', '').replace('/', '')}-imports-only-what-is-below`,
  severity: 'error',
  from: { path: `^src/${from}` },
  to: { path: '^src/', pathNot: [from, ...to].map((allowed) => `^src/${allowed}`) },
}));

const homes = Object.entries(HOMES).map(([name, home]) => ({
  name: `${name.replaceAll(/[()\\]|\?!.*/g, '')}-has-one-home`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/${home}` },
  to: { path: `(^|/)node_modules/(@types/)?${name}(/|$)` },
}));

const rule = (name, from, to) => ({ name, severity: 'error', from, to });

export default {
  forbidden: [
    ...direction,
    ...homes,
    rule('no-cycles', {}, { circular: true }),
    rule('every-import-resolves', {}, { couldNotResolve: true }),
    rule(
      'every-folder-is-in-the-table',
      { path: '^src/', pathNot: Object.keys(MAY_IMPORT).map((at) => `^src/${at}`) },
      {},
    ),
    rule(
      'every-package-is-in-the-table',
      { path: '^src/' },
      {
        dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'],
        pathNot: Object.keys(HOMES).map((name) => `(^|/)node_modules/(@types/)?${name}(/|$)`),
      },
    ),
    rule('src-never-imports-test', { path: '^src/' }, { path: '^(test|deploy)/' }),
    rule(
      'files-are-read-in-few-places',
      { path: '^src/', pathNot: READS_FILES.map((at) => `^src/${at}`) },
      { path: '^(node:)?fs(/promises)?$' },
    ),
    rule(
      'everything-is-reached-from-a-root',
      { path: `^src/${ROOTS}` },
      {
        path: '^src/',
        pathNot: [`^src/${ROOTS}`, '\\.d\\.ts$'],
        reachable: false,
      },
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
