// All checks of one configuration, in an order in which the later ones rest on the earlier: the store, the catalog in it, the source,
// the targets. It asks, and writes nothing but small objects of its own, which it removes again.

import type { CatalogHead } from '../catalog/catalog-head.ts';
import { CatalogWriter } from '../catalog/catalog-writer.ts';
import { readIdentity } from '../catalog/backup-identity.ts';
import { type Check, CheckList, ok } from './check-list.ts';
import { checkCluster, type ClusterSubject } from './cluster-checks.ts';
import { checkSource, type SourceSubject } from './source-checks.ts';
import { checkStore, type StoreSubject } from './store-checks.ts';
import { checkTarget, type TargetSubject } from './target-checks.ts';

export interface DoctorSubject {
  readonly store: StoreSubject;
  readonly clusters: readonly (ClusterSubject &
    (
      | { readonly use: 'source'; readonly source: Omit<SourceSubject, 'catalog'> }
      | { readonly use: 'target'; readonly target: TargetSubject }
    ))[];
}

/** Every check that could be made; none is left out because an independent one failed. */
export async function runDoctor({ store, clusters }: DoctorSubject): Promise<readonly Check[]> {
  const list = new CheckList();
  const catalog = (await checkStore(store, list)) ? await checkCatalog(store, list) : null;
  for (const cluster of clusters) {
    if (!(await checkCluster(cluster, list))) continue;
    if (cluster.use === 'source') await checkSource({ ...cluster.source, catalog }, list);
    else await checkTarget(cluster.target, list);
  }
  return list.checks;
}

/** What is backed up so far; null where it cannot be read. */
async function checkCatalog({ store, layout, wallMs }: StoreSubject, list: CheckList): Promise<CatalogHead | null> {
  let head: CatalogHead | null = null;
  await list.check('store', 'catalog', async () => {
    if ((await readIdentity(store, layout)) === undefined) return ok(`backup ${layout.backupId} is not begun yet`);
    head = (await CatalogWriter.open(store, layout, wallMs)).state;
    return ok(`backup ${layout.backupId}, version ${head.version}`);
  });
  return head;
}
