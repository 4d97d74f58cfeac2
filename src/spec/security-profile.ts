import { NodeletError } from '../base/errors.js';
import type { SELinuxOption, SecurityProfile } from '../ports/cri/messages.js';
import type { MachineLimits } from './machine-limits.js';

/** The parts of a security context that sandboxes and containers share. */
interface Profiles {
  seccomp: SecurityProfile | null;
  seccomp_profile_path: string;
  apparmor: SecurityProfile | null;
  selinux_options: SELinuxOption | null;
}

const unsupported = (field: string, message: string) =>
  new NodeletError('unsupported', message, { field, remedy: 'leave the field out' });

/** The seccomp profile that a context asks for; none asked for is none, as CRI has it. */
export function seccompProfile(context: Pick<Profiles, 'seccomp'> | null): 'RuntimeDefault' | 'Unconfined' {
  return context?.seccomp?.profile_type === 'RuntimeDefault' ? 'RuntimeDefault' : 'Unconfined';
}

/** Refuses profiles that nodelet can't apply; `field` is the path of the context in the request. */
export function validateProfiles(
  context: Profiles & { apparmor_profile?: string },
  machine: Pick<MachineLimits, 'appArmor'>,
  field: string,
): void {
  const { seccomp, apparmor, selinux_options } = context;
  if (seccomp?.profile_type === 'Localhost') {
    throw unsupported(`${field}.seccomp.localhost_ref`, 'profiles from a local file are not supported yet');
  }
  if (apparmor !== null && apparmor.profile_type !== 'Unconfined' && machine.appArmor) {
    throw unsupported(`${field}.apparmor`, 'AppArmor profiles are not applied yet');
  }
  if (apparmor?.profile_type === 'Localhost') {
    throw unsupported(`${field}.apparmor.localhost_ref`, 'AppArmor is off on this machine');
  }
  // Kubelets send the old field beside the new one, which then decides.
  if (context.seccomp_profile_path !== '' && seccomp === null) {
    throw unsupported(`${field}.seccomp_profile_path`, 'the field is deprecated: use seccomp');
  }
  if ((context.apparmor_profile ?? '') !== '' && apparmor === null) {
    throw unsupported(`${field}.apparmor_profile`, 'the field is deprecated: use apparmor');
  }
  if (selinux_options !== null && Object.values(selinux_options).some((value) => value !== '')) {
    throw unsupported(`${field}.selinux_options`, 'SELinux is not supported yet');
  }
}
