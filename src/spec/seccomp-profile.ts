import os from 'node:os';
import type { LinuxSeccomp } from './oci-spec-types.js';

interface Conditions {
  arches?: string[];
  caps?: string[];
  minKernel?: string;
}

interface ProfileRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: unknown[];
  includes?: Conditions;
  excludes?: Conditions;
}

interface Profile {
  defaultAction: string;
  defaultErrnoRet?: number;
  archMap?: { architecture: string; subArchitectures?: string[] }[];
  syscalls: ProfileRule[];
}

const arches: Record<string, { docker: string; seccomp: string }> = {
  x64: { docker: 'amd64', seccomp: 'SCMP_ARCH_X86_64' },
  arm64: { docker: 'arm64', seccomp: 'SCMP_ARCH_AARCH64' },
};

/** The distribution's profile (the form Docker and podman share: rules with includes and excludes) for one set of capabilities. */
export function seccompFromProfile(input: {
  profile: string;
  capabilities: readonly string[];
}): LinuxSeccomp {
  const profile = JSON.parse(input.profile) as Profile;
  const arch = arches[os.arch()];
  const holds = (when: Conditions | undefined, absent: boolean): boolean => {
    const capsHold = when?.caps?.length ? when.caps.every((cap) => input.capabilities.includes(cap)) : absent;
    const archHolds = when?.arches?.length ? when.arches.includes(arch?.docker ?? '') : absent;
    return absent ? capsHold && archHolds : capsHold || archHolds;
  };
  const map = profile.archMap?.find((entry) => entry.architecture === arch?.seccomp);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(map === undefined ? {} : { architectures: [map.architecture, ...(map.subArchitectures ?? [])] }),
    syscalls: profile.syscalls
      .filter((rule) => holds(rule.includes, true) && !holds(rule.excludes, false))
      .map(({ names, action, errnoRet, args }) => ({
        names,
        action,
        ...(errnoRet === undefined ? {} : { errnoRet }),
        ...(args?.length ? { args } : {}),
      })),
  };
}
