import { NodeletError } from '../../base/errors.js';
import { isAtLeast } from '../../base/version-order.js';
import type { LinuxSeccomp } from '../oci-spec-types.js';
import type { SeccompConditions, SeccompProfile, SeccompRule } from './seccomp-parse.js';

/** What a profile's conditions look at. */
export interface SeccompTarget {
  /** As Node.js calls it: `x64`, `arm64`. */
  architecture: string;
  /** `uname -r`. */
  kernelRelease: string;
}

interface Architecture {
  /** Its name in conditions, which is Go's. */
  go: string;
  /** libseccomp's names of what its kernels run, the own one first. */
  family: readonly string[];
}

const architectures: Record<string, Architecture> = {
  x64: { go: 'amd64', family: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
  arm64: { go: 'arm64', family: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'] },
  arm: { go: 'arm', family: ['SCMP_ARCH_ARM'] },
  ppc64: { go: 'ppc64le', family: ['SCMP_ARCH_PPC64LE'] },
  s390x: { go: 's390x', family: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'] },
  riscv64: { go: 'riscv64', family: ['SCMP_ARCH_RISCV64'] },
};

/** The rules of a profile that count here for a process with these capabilities, in the OCI form (config-linux.md). */
export function seccompFor(
  profile: SeccompProfile,
  { capabilities, target }: { capabilities: readonly string[]; target: SeccompTarget },
): LinuxSeccomp {
  const own = architectures[target.architecture];
  const counts = ({ includes, excludes }: SeccompRule): boolean => {
    const holds = { capabilities, arch: own?.go ?? target.architecture, kernel: target.kernelRelease };
    return meets(includes, holds) && !meetsAny(excludes, holds);
  };
  const listed = architecturesOf(profile, own);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(listed.length === 0 ? {} : { architectures: listed }),
    ...(profile.flags.length === 0 ? {} : { flags: profile.flags }),
    syscalls: profile.syscalls.filter(counts).map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args.length === 0 ? {} : { args }),
    })),
  };
}

interface Holds {
  capabilities: readonly string[];
  arch: string;
  kernel: string;
}

/** All that is named must hold; nothing named is met. */
function meets({ arches = [], caps = [], minKernel }: SeccompConditions, holds: Holds): boolean {
  return (
    (arches.length === 0 || arches.includes(holds.arch)) &&
    caps.every((cap) => holds.capabilities.includes(cap)) &&
    (minKernel === undefined || isAtLeast(holds.kernel, minKernel))
  );
}

/** One thing that holds is enough to exclude. */
function meetsAny({ arches = [], caps = [], minKernel }: SeccompConditions, holds: Holds): boolean {
  return (
    arches.includes(holds.arch) ||
    caps.some((cap) => holds.capabilities.includes(cap)) ||
    (minKernel !== undefined && isAtLeast(holds.kernel, minKernel))
  );
}

/** Those that this machine can run; others would never match, and libseccomp may not know them. */
function architecturesOf(
  { architectures: plain, archMap }: SeccompProfile,
  own: Architecture | undefined,
): string[] {
  if (own === undefined) return plain;
  const map = archMap.find(({ architecture }) => architecture === own.family[0]);
  const here = (names: readonly string[]) => names.filter((name) => own.family.includes(name));
  if (map !== undefined) return [map.architecture, ...here(map.subArchitectures)];
  const listed = here(plain);
  if (plain.length > 0 && !listed.includes(own.family[0] ?? '')) {
    throw new NodeletError('invalid', `architectures lacks this machine's own, ${own.family[0] ?? ''}`);
  }
  return listed;
}
