// All checks of one configuration, in an order in which the later ones rest on the earlier: the store, the catalog in it, the source,
// the targets. It asks, and writes nothing but small objects of its own, which it removes again.

import { type CatalogSubject, checkCatalog, checkClusterId } from './catalog-checks.ts';
import { type Check, CheckList } from './check-list.ts';
import { checkCluster, type ClusterSubject } from './cluster-checks.ts';
import { missingDirectories, removeEmpty } from './made-directories.ts';
import { checkSource, type SourceSubject } from './source-checks.ts';
import { checkStore, type StoreSubject } from './store-checks.ts';
import { checkTarget, type TargetSubject } from './target-checks.ts';

export interface DoctorSubject {
  readonly store: StoreSubject;
  /** Of the backup in a store on a filesystem; null elsewhere. */
  readonly directory: string | null;
  readonly restored: CatalogSubject['restored'];
  readonly clusters: readonly (ClusterSubject &
    (
      | { readonly use: 'source'; readonly source: Omit<SourceSubject, 'catalog'> }
      | { readonly use: 'target'; readonly target: TargetSubject }
    ))[];
}

/** Every check that could be made; none is left out because an independent one failed. */
export async function runDoctor(subject: DoctorSubject): Promise<readonly Check[]> {
  const { directory } = subject;
  const missing = directory === null ? [] : await missingDirectories(directory);
  try {
    return await makeChecks(subject);
  } finally {
    await removeEmpty(missing);
  }
}

async function makeChecks({ store, restored, clusters }: DoctorSubject): Promise<readonly Check[]> {
  const list = new CheckList();
  const isReadable = await checkStore(store, list);
  const backup = isReadable ? await checkCatalog({ ...store, restored }, list) : null;
  for (const cluster of clusters) {
    if (!(await checkCluster(cluster, list))) continue;
    if (cluster.use === 'source') {
      // What is restored may be of any cluster.
      const identity = restored === null ? (backup?.identity ?? null) : null;
      await checkClusterId(cluster.source.log, { store: store.store, identity }, list);
      await checkSource({ ...cluster.source, catalog: backup?.head ?? null }, list);
    } else {
      await checkTarget(cluster.target, list);
    }
  }
  return list.checks;
}
