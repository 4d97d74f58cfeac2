import { NodeletError } from '../base/errors.js';
import type { Capability } from '../ports/cri/messages.js';

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

const isAll = (name: string) => name.toUpperCase() === 'ALL';

/** The usual capabilities, plus those added, minus those dropped; `ALL` means `own`, what the agent itself has. */
export function grantedCapabilities(asked: Capability | null, own: readonly string[]): string[] {
  const granted = new Set(defaultCapabilities);
  const dropped = asked?.drop_capabilities ?? [];
  const added = asked?.add_capabilities ?? [];
  // ALL goes first on either side: `drop ALL, add X` leaves X, `add ALL, drop X` leaves all but X.
  if (added.some(isAll)) own.forEach((name) => granted.add(name));
  if (dropped.some(isAll)) granted.clear();
  fullNames(added, 'add_capabilities').forEach((name) => granted.add(name));
  fullNames(dropped, 'drop_capabilities').forEach((name) => granted.delete(name));
  return [...granted];
}

function fullNames(list: readonly string[], field: string): string[] {
  return list
    .filter((name) => !isAll(name))
    .map((name) => {
      const upper = name.toUpperCase();
      const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
      if (capabilityNames.includes(full)) return full;
      throw new NodeletError('invalid', `"${name}" is no capability`, {
        field: `config.linux.security_context.capabilities.${field}`,
      });
    });
}
