import { NodeletError } from '../../base/errors.js';
import type { Host } from '../../ports/host.js';
import type { PreparedMount } from '../../spec/mounts/container-mounts.js';
import { mountMapping } from '../../spec/mounts/mount-mappings.js';
import type { ContainerRecord } from '../../state/records.js';

type Parts = Pick<Host, 'files' | 'mounts'>;

const volumesDir = (record: ContainerRecord) => `${record.bundle}/volumes`;

/**
 * A mount with its ids mapped: the source is bound a second time in a folder of the container's, and the OCI runtime takes it
 * from there, since not every one can map ids itself. As it was where the request maps none.
 */
export async function mapVolume(
  { files, mounts }: Parts,
  record: ContainerRecord,
  { content, index }: { content: Pick<PreparedMount, 'mount' | 'source'>; index: number },
): Promise<Pick<PreparedMount, 'mount' | 'source'>> {
  const field = `config.mounts[${index}]`;
  const idMapping = mountMapping(content.mount, field);
  if (idMapping === undefined || content.mount.image !== null) return content;
  const target = `${volumesDir(record)}/${index}`;
  // It leads past the folders above the source, which may be closed to others.
  await files.makeDir(volumesDir(record), 0o700);
  if ((await files.stat(content.source))?.kind === 'dir') await files.makeDir(target);
  else await files.writeAtomic(target, '', 0o600);
  try {
    await mounts.bind(content.source, target, { recursive: true, idMapping });
  } catch (thrown) {
    if (!(thrown instanceof NodeletError) || thrown.kind !== 'unsupported') throw thrown;
    throw new NodeletError('unsupported', thrown.message, {
      field: `${field}.uidMappings`,
      cause: thrown,
      ...(thrown.remedy === undefined ? {} : { remedy: thrown.remedy }),
    });
  }
  return { ...content, source: target };
}

/** Takes the bind of one mount away; none is success. */
export async function unmapVolume({ mounts }: Parts, record: ContainerRecord, index: number): Promise<void> {
  const mount = record.config.mounts[index];
  if (mount === undefined || mount.image !== null || mount.uidMappings.length === 0) return;
  await mounts.unmount(`${volumesDir(record)}/${index}`);
}
