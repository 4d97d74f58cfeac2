import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { NodeConfig } from '../../src/spec/config/node-config.js';

const run = promisify(execFile);

/** Everything on this machine that is of the node of `config`: empty after its teardown. One line per thing. */
export async function leftovers(config: NodeConfig): Promise<string[]> {
  const { bridge, table } = config.network;
  const ours = (text: string) => text.includes(config.runDir) || text.includes(config.rootDir);
  const mounts = fs
    .readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(ours)
    .map((line) => `mount ${line.split(' ')[4] ?? ''}`);
  const links = JSON.parse((await run('ip', ['-json', 'link'])).stdout) as {
    ifname: string;
    master?: string;
  }[];
  const tables = (await run('nft', ['list', 'tables'])).stdout.split('\n');
  return [
    ...mounts,
    ...links
      .filter(({ ifname, master }) => ifname === bridge || master === bridge)
      .map(({ ifname }) => `link ${ifname}`),
    ...tables.filter((line) => line.split(' ').at(-1) === table).map((line) => `nft ${line}`),
    ...cgroups(config.cgroupParent),
    ...processes(ours),
    ...[
      'sandboxes',
      'containers',
      'netns',
      'exits',
      'roots',
      ...Object.keys(config.runtimes).map((name) => `oci/${name}`),
    ]
      .map((name) => path.join(config.runDir, name))
      .concat(path.join(config.rootDir, 'snapshots'))
      .flatMap((dir) => names(dir).map((name) => `file ${dir}/${name}`)),
  ];
}

/** The group in each v1 hierarchy, or in the one v2 tree. */
function cgroups(group: string): string[] {
  const root = '/sys/fs/cgroup';
  return [root, ...names(root).map((name) => path.join(root, name))]
    .map((dir) => path.join(dir, group))
    .filter((dir) => fs.existsSync(dir))
    .map((dir) => `cgroup ${dir}`);
}

/** Living processes whose command line or root speaks of the node; a zombie that waits for process 1 has neither. */
function processes(ours: (text: string) => boolean): string[] {
  return names('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const mounts = fs.readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
        const root = mounts.split('\n').find((line) => line.split(' ')[4] === '/') ?? '';
        return ours(command) || ours(root) ? [`process ${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}

function names(dir: string): string[] {
  try {
    return fs.readdirSync(dir);
  } catch {
    return [];
  }
}
