import { createRealHost } from '../../../../src/host/real-host.js';
import type { LayerRecord } from '../../../../src/images/layers/layer-store.js';
import { LayerStore } from '../../../../src/images/layers/layer-store.js';
import { defaultLayerLimits } from '../../../../src/spec/config/layer-limits-config.js';
import { archiveOf, dir, file } from '../../../images/layers/archive-builder.js';
import { digestOf } from '../registry-double.js';

/** A layer that takes a while: small files, and one that is replaced. */
export const slowLayer = archiveOf([
  file('replaced', 'first'),
  ...Array.from({ length: 40 }, (_, index) => dir(`d${index}`)),
  ...Array.from({ length: 600 }, (_, index) => file(`d${index % 40}/f${index}`, 'x'.repeat(index))),
  file('replaced', 'second'),
]);
export const slowDiffId = digestOf(slowLayer);

/** The store of layers below a folder, started. */
export async function startStore(root: string): Promise<{ store: LayerStore; close: () => Promise<void> }> {
  const host = createRealHost({ storePath: `${root}/records`, bootPath: `${root}/boot` });
  const records = host.store.table<LayerRecord>('layers');
  const store = new LayerStore({ dir: `${root}/layers`, records, limits: defaultLayerLimits, host });
  await store.start();
  return { store, close: () => host.store.close() };
}

/** Run as a program with a folder: puts the layer into the store there, and says when it begins and when it is done. */
async function main(root: string): Promise<void> {
  const { store } = await startStore(root);
  process.stdout.write('begun\n');
  const descriptor = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: slowDiffId,
    sizeBytes: slowLayer.length,
  };
  await store.ensure({ diffId: slowDiffId, descriptor }, new AbortController().signal, async function* () {
    for (let at = 0; at < slowLayer.length; at += 65_536) yield slowLayer.subarray(at, at + 65_536);
  });
  process.stdout.write('done\n');
  setInterval(() => undefined, 1000);
}
const [, program = '', root] = process.argv;
if (program.endsWith('layer-child.js') && root !== undefined) await main(root);
