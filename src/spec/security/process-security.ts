import type { ProcessCapabilities } from './capabilities.js';
import type { ResolvedImageUser } from './image-user.js';
import type { LinuxSeccomp, OciSpec } from '../oci-spec-types.js';
import type { SelinuxLabels } from './selinux-label.js';

/** Who the first process of a container is and what it may do: everything of a security context that took looking at the image or the machine. */
export interface ProcessSecurity {
  user: ResolvedImageUser;
  capabilities: ProcessCapabilities;
  /** Undefined: unconfined. */
  seccomp: LinuxSeccomp | undefined;
  /** A loaded profile's name; undefined: that of nodelet itself. */
  appArmorProfile: string | undefined;
  /** Undefined: labels are the kernel's to choose. */
  selinux: SelinuxLabels | undefined;
}

/** Its part of `process` in the OCI spec, config.md. An exec takes over all of it. */
export function processSecurity({
  user: { uid, gid, additionalGids },
  capabilities,
  appArmorProfile,
  selinux,
}: ProcessSecurity): Pick<OciSpec['process'], 'user' | 'capabilities' | 'apparmorProfile' | 'selinuxLabel'> {
  return {
    user: { uid, gid, additionalGids },
    capabilities,
    ...(appArmorProfile === undefined ? {} : { apparmorProfile: appArmorProfile }),
    ...(selinux === undefined ? {} : { selinuxLabel: selinux.process }),
  };
}

/** Its part of `linux`, config-linux.md. */
export function linuxSecurity({
  seccomp,
  selinux,
}: ProcessSecurity): Pick<OciSpec['linux'], 'seccomp' | 'mountLabel'> {
  return {
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(selinux === undefined ? {} : { mountLabel: selinux.mount }),
  };
}
