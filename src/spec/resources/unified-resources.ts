import { NodeletError } from '../../base/errors.js';
import type { ResourceRules } from './resources-validate.js';

/** The one file of cgroup v2 that says the same on v1, where nothing else in a request limits processes. */
export const pidsMax = 'pids.max';

/** Files of a group that are limits; the others of `cgroup.` are how nodelet and the OCI runtime run it. */
const limitsOfGroup = ['cgroup.max.depth', 'cgroup.max.descendants'];

/** Refuses, by its key, what can't be written to a container's group: `base` is the path of the map. */
export function validateUnified(unified: Record<string, string>, { base, machine }: ResourceRules): void {
  for (const [key, value] of Object.entries(unified)) {
    const field = `${base}["${key}"]`;
    const refuse = (kind: 'invalid' | 'unsupported', message: string, remedy?: string) =>
      new NodeletError(kind, message, remedy === undefined ? { field } : { field, remedy });
    if (!/^[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)+$/.test(key)) throw refuse('invalid', 'is no file of a cgroup');
    if (value === '' || value.includes('\0')) throw refuse('invalid', 'has no value that could be written');
    const controller = key.slice(0, key.indexOf('.'));
    if (controller === 'cgroup') {
      if (machine.cgroupV2 && limitsOfGroup.includes(key)) continue;
      throw refuse('invalid', 'is no limit', `of the files cgroup.* there are: ${limitsOfGroup.join(', ')}`);
    }
    if (!machine.cgroupControllers.includes(controller)) {
      throw refuse('unsupported', `this machine has no cgroup controller ${controller}`);
    }
    if (!machine.cgroupV2 && key !== pidsMax) {
      throw refuse(
        'unsupported',
        'is a file of cgroup v2, and this machine has v1',
        `use the other fields of resources, or boot with cgroup v2; on v1 there is: ${pidsMax}`,
      );
    }
    if (key === pidsMax && value !== 'max' && !/^[1-9]\d{0,6}$/.test(value)) {
      throw refuse('invalid', `"${value}" is neither a number of processes nor max`);
    }
  }
}
