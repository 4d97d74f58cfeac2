import type { SeccompConditions, SeccompProfile, SeccompRule } from './seccomp-parse.js';

const eperm = 1;
const enosys = 38;

function refused(
  names: string,
  rest: { unless?: string; errno?: number; args?: SeccompRule['args']; includes?: SeccompConditions } = {},
): SeccompRule {
  return {
    names: names.split(' '),
    action: 'SCMP_ACT_ERRNO',
    errnoRet: rest.errno ?? eperm,
    args: rest.args ?? [],
    includes: rest.includes ?? {},
    excludes: rest.unless === undefined ? {} : { caps: rest.unless.split(' ').map((name) => `CAP_${name}`) },
  };
}

/** Flags of clone(2) that make namespaces: mount, cgroup, UTS, IPC, user, PID, network. */
const namespaceFlags = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000];
/** On s390 the flags are clone's second argument, clone(2). */
const secondOnS390 = ['s390x', 's390'];
const vsock = 40;

/**
 * What RuntimeDefault means on a machine whose distribution brings no profile: everything goes but what rules the machine
 * or widens the kernel's surface, each unless the container has the capability that it takes. What a container may do is
 * thus narrowed in two ways that must both fail. Unlike a list of what is allowed, it knows nothing of future calls.
 */
export const seccompDefault: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: [],
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
    { architecture: 'SCMP_ARCH_S390X', subArchitectures: ['SCMP_ARCH_S390'] },
  ],
  flags: [],
  syscalls: [
    // Keys are not kept apart by namespaces; the others are old, or have been ways out of containers.
    refused('add_key keyctl request_key userfaultfd io_uring_setup io_uring_enter io_uring_register'),
    refused('kexec_load kexec_file_load swapon swapoff uselib ustat sysfs _sysctl nfsservctl vm86 vm86old'),
    refused('create_module get_kernel_syms query_module lookup_dcookie'),
    // Neither the network's namespaces nor the firewall reach the machine's hypervisor.
    refused('socket', { args: [{ index: 0, value: vsock, op: 'SCMP_CMP_EQ' }] }),
    refused(
      'mount umount umount2 pivot_root mount_setattr move_mount open_tree fsopen fsconfig fsmount fspick',
      {
        unless: 'SYS_ADMIN',
      },
    ),
    refused('setns unshare sethostname setdomainname fanotify_init quotactl quotactl_fd', {
      unless: 'SYS_ADMIN',
    }),
    ...namespaceFlags.flatMap((flag) => [
      {
        ...refused('clone', {
          unless: 'SYS_ADMIN',
          args: [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }],
        }),
        excludes: { caps: ['CAP_SYS_ADMIN'], arches: secondOnS390 },
      },
      refused('clone', {
        unless: 'SYS_ADMIN',
        includes: { arches: ['s390x'] },
        args: [{ index: 1, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }],
      }),
    ]),
    // Its flags are in memory, where no filter looks; libraries then take clone.
    refused('clone3', { unless: 'SYS_ADMIN', errno: enosys }),
    refused('bpf', { unless: 'SYS_ADMIN BPF' }),
    refused('perf_event_open', { unless: 'SYS_ADMIN PERFMON' }),
    refused('syslog', { unless: 'SYS_ADMIN SYSLOG' }),
    refused('init_module finit_module delete_module', { unless: 'SYS_MODULE' }),
    refused('process_vm_readv process_vm_writev kcmp pidfd_getfd', { unless: 'SYS_PTRACE' }),
    refused('move_pages migrate_pages', { unless: 'SYS_NICE' }),
    refused('settimeofday stime clock_settime clock_settime64', { unless: 'SYS_TIME' }),
    refused('iopl ioperm', { unless: 'SYS_RAWIO' }),
    refused('acct', { unless: 'SYS_PACCT' }),
    refused('reboot', { unless: 'SYS_BOOT' }),
    refused('vhangup', { unless: 'SYS_TTY_CONFIG' }),
    refused('open_by_handle_at', { unless: 'DAC_READ_SEARCH' }),
  ],
};
