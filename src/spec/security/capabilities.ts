import { NodeletError } from '../../base/errors.js';
import type { Capability } from '../../ports/cri/messages.js';
import { securityField } from './security-field.js';

/** Linux capabilities by bit number, capability.h: index is the bit. */
export const capabilityNames: readonly string[] = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE ' +
  'NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT ' +
  'SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE ' +
  'AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ ' +
  'PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

/** What an ordinary container gets, the set that Docker and containerd grant. */
export const defaultCapabilities: readonly string[] = (
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE ' +
  'SYS_CHROOT KILL AUDIT_WRITE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

/** The five sets of a process, capabilities(7), as config.md of the OCI runtime spec has them. */
export type ProcessCapabilities = Record<
  'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient',
  readonly string[]
>;

/** No capabilities at all. */
export const noCapabilities: ProcessCapabilities = {
  bounding: [],
  effective: [],
  permitted: [],
  inheritable: [],
  ambient: [],
};

const base = `${securityField}.capabilities`;
const isAll = (name: string) => name.toUpperCase() === 'ALL';

function fullName(name: string, field: string): string {
  const upper = name.toUpperCase();
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (capabilityNames.includes(full)) return full;
  throw new NodeletError('invalid', `"${name}" is no capability`, { field });
}

/** The capabilities that one list names, all in full; `own` stands for ALL. */
function namesOf(
  list: readonly string[],
  key: keyof Capability,
  own: readonly string[],
): { all: boolean; names: string[] } {
  const names = list.flatMap((name, index) =>
    isAll(name) ? [] : [fullName(name, `${base}.${key}[${index}]`)],
  );
  const all = list.some(isAll);
  return { all, names: all && key === 'add_ambient_capabilities' ? [...own, ...names] : names };
}

/** Refuses names of no capability, those that the agent itself lacks, and ambient ones that are dropped. */
export function validateCapabilities(asked: Capability, own: readonly string[], privileged: boolean): void {
  const dropped = namesOf(asked.drop_capabilities, 'drop_capabilities', own).names;
  for (const key of ['add_capabilities', 'add_ambient_capabilities'] as const) {
    for (const [index, name] of asked[key].entries()) {
      const field = `${base}.${key}[${index}]`;
      if (isAll(name)) continue;
      const full = fullName(name, field);
      if (key === 'add_ambient_capabilities' && dropped.includes(full)) {
        throw new NodeletError('invalid', `${full} is among drop_capabilities`, { field });
      }
      if (!privileged && !own.includes(full)) {
        throw new NodeletError('unsupported', `nodelet itself has no ${full} on this machine`, {
          field,
          remedy: 'leave it out, or run nodelet with it',
        });
      }
    }
  }
}

/**
 * What process 1 holds: the usual capabilities, plus those added, minus those dropped; ALL and privileged mean `own`,
 * what the agent itself has. A process that isn't root's starts with the ambient ones alone, and may regain the
 * others by a set-uid program.
 */
export function processCapabilities(
  asked: Capability | null,
  { own, privileged, uid }: { own: readonly string[]; privileged: boolean; uid: number },
): ProcessCapabilities {
  const ambient = [
    ...new Set(namesOf(asked?.add_ambient_capabilities ?? [], 'add_ambient_capabilities', own).names),
  ].filter((name) => own.includes(name));
  const granted = privileged ? own : grantedCapabilities(asked, own);
  const bounding = [...new Set([...granted, ...ambient])];
  const held = uid === 0 ? bounding : ambient;
  return { bounding, effective: held, permitted: held, inheritable: ambient, ambient };
}

/** ALL goes first on either side: `drop ALL, add X` leaves X, `add ALL, drop X` leaves all but X. */
export function grantedCapabilities(asked: Capability | null, own: readonly string[]): string[] {
  const granted = new Set(defaultCapabilities.filter((name) => own.includes(name)));
  const added = namesOf(asked?.add_capabilities ?? [], 'add_capabilities', own);
  const dropped = namesOf(asked?.drop_capabilities ?? [], 'drop_capabilities', own);
  if (added.all) own.forEach((name) => granted.add(name));
  if (dropped.all) granted.clear();
  added.names.forEach((name) => granted.add(name));
  dropped.names.forEach((name) => granted.delete(name));
  return [...granted];
}
