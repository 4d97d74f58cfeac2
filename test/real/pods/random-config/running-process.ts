import fs from 'node:fs';
import { waitFor } from '../../real-node.js';

/** A process as the kernel shows it under /proc, proc(5), read from the host. */
export interface RunningProcess {
  readonly pid: number;
  readonly args: string[];
  readonly cwd: string;
  readonly env: Map<string, string>;
  /** A line of /proc/PID/status, its words. */
  status(name: string): string[];
  /** Bit mask of a capability set: `CapBnd`, `CapEff`, `CapPrm`, `CapInh`, `CapAmb`. */
  capabilities(set: string): bigint;
  readonly oomScoreAdj: number;
  /** The topmost mount at exactly this path of the container. */
  mountAt(target: string): { options: string[]; root: string; fsType: string } | undefined;
  /** Path of the host that leads to a path of the container. */
  inRoot(target: string): string;
  /** Text of a file of its control group, v1 controller or v2; undefined where there is none. */
  cgroupFile(controller: string, file: string): string | undefined;
}

/** The process once it is the command of a test image: `start` may return while the OCI runtime is still on its way to it. */
export async function runningProcess(pid: number): Promise<RunningProcess> {
  const read = (name: string) => fs.readFileSync(`/proc/${pid}/${name}`, 'utf8');
  await waitFor(
    `process ${pid} is the command`,
    () => /busybox$/.test(fs.readlinkSync(`/proc/${pid}/exe`)) && read('environ') !== '',
  );
  const words = (name: string) => read(name).split('\0').slice(0, -1);
  const status = (name: string) =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(read('status'))?.[1]?.split(/\s+/) ?? [];
  return {
    pid,
    args: words('cmdline'),
    cwd: fs.readlinkSync(`/proc/${pid}/cwd`),
    env: new Map(
      words('environ').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    ),
    status: (name) => status(name).filter((word) => word !== ''),
    capabilities: (set) => BigInt(`0x${status(set)[0] ?? '0'}`),
    oomScoreAdj: Number(read('oom_score_adj')),
    mountAt: (target) => mountsIn(read('mountinfo')).findLast((mount) => mount.target === target),
    inRoot: (target) => `/proc/${pid}/root${target}`,
    cgroupFile: (controller, file) => cgroupFile(read('cgroup'), controller, file),
  };
}

function mountsIn(mountinfo: string) {
  const plain = (text = '') =>
    text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return mountinfo
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const fields = before.split(' ');
      return {
        root: plain(fields[3]),
        target: plain(fields[4]),
        options: (fields[5] ?? '').split(','),
        fsType: after.split(' ')[0] ?? '',
      };
    });
}

function cgroupFile(cgroups: string, controller: string, file: string): string | undefined {
  for (const line of cgroups.split('\n')) {
    const [, controllers = '', group = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const dir = controllers === '' ? '/sys/fs/cgroup' : `/sys/fs/cgroup/${controller}`;
    if (controllers !== '' && !controllers.split(',').includes(controller)) continue;
    const name = `${dir}${group}/${file}`;
    if (fs.existsSync(name)) return fs.readFileSync(name, 'utf8').trim();
  }
  return undefined;
}
