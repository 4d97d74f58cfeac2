import { dirname } from 'node:path';
import { NodeletError } from '../base/errors.js';
import type { Files } from '../ports/files.js';
import type { AgentConfig } from './agent-config.js';
import { emptyDirPath } from './cri-requests.js';
import type { DesiredPod } from './desired-pod.js';

/** Makes a pod's emptyDirs and holds its hostPaths to their types, as Kubernetes does; `wrong-state` names the volume. */
export async function prepareVolumes(record: DesiredPod, files: Files, config: AgentConfig): Promise<void> {
  for (const { name, emptyDir, hostPath } of record.pod.spec.volumes) {
    if (emptyDir !== undefined) {
      const path = emptyDirPath(record.uid, name, config);
      if ((await files.stat(path)) === undefined) await files.makeDir(path, 0o777);
    }
    if (hostPath === undefined) continue;
    const { path, type = '' } = hostPath;
    const found = await files.stat(path);
    if (found === undefined && type === 'DirectoryOrCreate') await files.makeDir(path);
    else if (found === undefined && type === 'FileOrCreate') {
      await files.makeDir(dirname(path));
      await files.writeAtomic(path, '', 0o644);
    } else if (type !== '' && !matches(found?.kind, type))
      throw new NodeletError('wrong-state', `${path} is not a ${type}`, {
        field: `spec.volumes[${name}].hostPath`,
      });
  }
}

/** A symlink is left to the mount itself to judge. */
function matches(kind: 'file' | 'dir' | 'symlink' | 'other' | undefined, type: string): boolean {
  if (kind === undefined) return false;
  if (kind === 'symlink') return true;
  if (type.startsWith('Directory')) return kind === 'dir';
  return type.startsWith('File') ? kind === 'file' : kind === 'other';
}
