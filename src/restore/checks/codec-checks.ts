// Whether this installation can read what the store holds and write what the target is to get: a codec's library is missing where a
// package was installed without what it has for the platform.

import type { ProducerCodec } from '../../model/codec.ts';
import type { RestorePlan } from '../restore-plan.ts';
import type { RestoreSettings } from '../restore-settings.ts';
import { type CheckList, segmentsOf } from './check-list.ts';

/** Those that need a library; the others are Node's own. */
const WITH_LIBRARY: readonly ProducerCodec[] = ['lz4', 'snappy'];

/** `faultOf`: why a codec cannot be used here; undefined when it can. */
export function checkCodecs(
  plan: RestorePlan,
  { compression }: RestoreSettings,
  faultOf: (codec: ProducerCodec) => string | undefined,
  list: CheckList,
): void {
  const stored = [...new Set(plan.topics.flatMap(segmentsOf).map(({ codec }) => codec))].sort();
  const faults = WITH_LIBRARY.flatMap((codec) => {
    const fault = faultOf(codec);
    return fault === undefined ? [] : [{ codec, fault }];
  });
  for (const { codec, fault } of faults) {
    if (stored.some((one) => one === codec))
      list.block('codecs', `${fault}: the objects are compressed with ${codec}; install it`);
    else if (compression === codec)
      list.block('codecs', `${fault}: install it, or set restore.compression to another codec than ${codec}`);
    // Which codecs producers used is in the footers, which a preflight does not read.
    else
      list.warn(
        'codecs',
        `${fault}: batches that producers compressed with ${codec} stop the restore, if there are any`,
      );
  }
  if (faults.length > 0) return;
  const objects = stored.length === 0 ? 'there is no object to read' : `objects are read with ${stored.join(', ')}`;
  const sent = compression === 'producer' ? 'as their producers compressed them' : `with ${compression}`;
  list.ok('codecs', `${objects}, records go out ${sent}`);
}
