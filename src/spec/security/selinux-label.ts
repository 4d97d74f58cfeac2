import { NodeletError } from '../../base/errors.js';
import type { SELinuxOption } from '../../ports/cri/messages.js';

/** The labels that a machine's policy has for containers, of four parts each: `system_u:system_r:container_t:s0`. */
export interface SelinuxDefaults {
  process: string;
  file: string;
}

/** How a container's process and files are labelled. */
export interface SelinuxLabels {
  process: string;
  /** Of the root file system and the container's own mounts. */
  mount: string;
}

const parts = ['user', 'role', 'type', 'level'] as const;
/** A sensitivity or a range of them, each with categories: `s0`, `s0:c1,c5`, `s0-s0:c0.c1023`. */
const category = /c\d+([.,]c\d+)*/.source;
const sensitivity = `s\\d+(:${category})?`;
const level = new RegExp(`^${sensitivity}(-${sensitivity})?$`);

/** Refuses labels on a machine without SELinux, and those that are none. */
export function validateSelinux(
  options: SELinuxOption | null,
  { base, machine }: { base: string; machine: { selinux: SelinuxDefaults | undefined } },
): void {
  for (const part of parts) {
    const value = options?.[part] ?? '';
    if (value === '') continue;
    const field = `${base}.selinux_options.${part}`;
    if (machine.selinux === undefined) {
      throw new NodeletError('unsupported', 'SELinux is off on this machine', {
        field,
        remedy: 'leave the field out, or boot with SELinux',
      });
    }
    if (!(part === 'level' ? level : /^\w+$/).test(value)) {
      throw new NodeletError('invalid', `"${value}" is no ${part} of a label`, { field });
    }
  }
}

/** The labels asked for, what is not named as the policy has it for containers; undefined where nothing is asked for. */
export function selinuxLabels(
  options: SELinuxOption | null,
  defaults: SelinuxDefaults | undefined,
): SelinuxLabels | undefined {
  if (defaults === undefined || options === null) return undefined;
  if (parts.every((part) => options[part] === '')) return undefined;
  const of = (label: string, set: Partial<SELinuxOption>) => {
    const [user = '', role = '', type = '', ...rest] = label.split(':');
    return [set.user || user, set.role || role, set.type || type, options.level || rest.join(':')].join(':');
  };
  // Files have a role and a type of their own; a process is kept to those of its level.
  return { process: of(defaults.process, options), mount: of(defaults.file, { user: options.user }) };
}

/** Reads `contexts/lxc_contexts` of a policy: lines such as `process = "system_u:system_r:container_t:s0"`. */
export function parseContainerContexts(text: string): SelinuxDefaults | undefined {
  const of = (key: string) => new RegExp(`^\\s*${key}\\s*=\\s*"([^"]+)"`, 'm').exec(text)?.[1];
  const [process, file] = [of('process'), of('file')];
  return process === undefined || file === undefined ? undefined : { process, file };
}
