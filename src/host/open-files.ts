import fs from 'node:fs';
import type { ProcessIdentity } from '../ports/processes.js';
import { absentAsUndefined } from './absent.js';
import { identify } from './process-identity.js';

/** Asks behind /proc/PID/fd, proc(5), whose links lead to the open file itself, whatever its name is by now. */
export async function hasOpen(process: ProcessIdentity, path: string): Promise<boolean> {
  const stat = (name: string) => fs.promises.stat(name, { bigint: true }).catch(absentAsUndefined);
  const wanted = await stat(path);
  if (wanted === undefined) return false;
  const dir = `/proc/${process.pid}/fd`;
  const descriptors = (await fs.promises.readdir(dir).catch(absentAsUndefined)) ?? [];
  const open = await Promise.all(descriptors.map((descriptor) => stat(`${dir}/${descriptor}`)));
  // Looked at after, so that what was found is not another process' that has the number by now.
  if (identify(process.pid)?.startTicks !== process.startTicks) return false;
  return open.some((found) => found?.ino === wanted.ino && found.dev === wanted.dev);
}
