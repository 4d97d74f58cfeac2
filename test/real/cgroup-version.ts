import fs from 'node:fs';

/** Whether this machine has the one tree of cgroup v2; cgroups(7). */
export const isV2 = fs.existsSync('/sys/fs/cgroup/cgroup.controllers');
