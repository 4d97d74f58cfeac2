/** Name of the AppArmor profile that RuntimeDefault means. */
export const appArmorDefaultName = 'nodelet-default';

/**
 * The profile itself, apparmor.d(5): a container may use its own files, the network and its capabilities; it may not
 * mount, and not write what the kernel offers in /proc and /sys to rule the machine. Signals come from whoever
 * stops it: the agent, and the OCI runtimes, to which some distributions give profiles of their own.
 */
export const appArmorDefaultText = `
profile ${appArmorDefaultName} flags=(attach_disconnected,mediate_deleted) {
  file,
  network,
  capability,
  umount,

  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (send, receive) peer=${appArmorDefaultName},
  ptrace (trace, read, tracedby, readby) peer=${appArmorDefaultName},

  deny mount,

  deny /proc/sysrq-trigger rwklx,
  deny /proc/kcore rwklx,
  deny /proc/mem rwklx,
  deny /proc/kmem rwklx,
  deny /proc/sys/kernel/{core_pattern,modprobe,hotplug,sysrq,panic*,randomize_va_space} wklx,
  deny /proc/sys/vm/** wklx,
  deny /proc/sys/fs/binfmt_misc/** wklx,

  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/kernel/debug/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/module/** wklx,
}
`;
