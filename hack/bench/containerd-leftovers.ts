import fs from 'node:fs';
import { runTool } from './processes.js';

/** Where containerd and the CNI plugins write whatever their configuration says. */
const fixedFolders = ['/run/containerd', '/var/lib/cni', '/opt/containerd'];
const iptablesTables = ['ip nat', 'ip filter', 'ip mangle', 'ip6 nat', 'ip6 filter', 'ip6 mangle'];

/** What was on the machine before, and so stays. */
export interface MachineBefore {
  folders: string[];
  tables: string[];
}

export async function lookAround(): Promise<MachineBefore> {
  return { folders: fixedFolders.filter((dir) => fs.existsSync(dir)), tables: await firewallTables() };
}

/**
 * Takes back what containerd and its plugins leave on a machine after their pods have been removed (bridge,
 * empty tables, folders), and where that went wrong also its shims, containers and mounts.
 */
export async function removeContainerdLeftovers(mine: {
  before: MachineBefore;
  bridge: string;
  cgroup: string;
  stateDir: string;
  socketPath: string;
}): Promise<void> {
  for (const pid of [...cgroupPids(mine.cgroup), ...shimPids(mine.socketPath)]) kill(pid);
  const mounts = fs
    .readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) => target.startsWith(`${mine.stateDir}/`));
  for (const target of mounts.reverse()) await runTool('umount', '--lazy', target);
  if (fs.existsSync(`/sys/class/net/${mine.bridge}`)) await runTool('ip', 'link', 'delete', mine.bridge);
  for (const dir of cgroupFolders(mine.cgroup)) removeCgroup(dir);
  for (const dir of fixedFolders) {
    if (!mine.before.folders.includes(dir)) fs.rmSync(dir, { recursive: true, force: true });
  }
  await removeRules(mine.bridge);
  for (const table of await firewallTables()) {
    if (mine.before.tables.includes(table) || !iptablesTables.includes(table)) continue;
    const [family = '', name = ''] = table.split(' ');
    const { nftables } = JSON.parse(await runTool('nft', '-j', 'list', 'table', family, name)) as {
      nftables: object[];
    };
    if (!nftables.some((entry) => 'rule' in entry)) await runTool('nft', 'delete', 'table', family, name);
  }
}

async function firewallTables(): Promise<string[]> {
  const listed = await runTool('nft', 'list', 'tables');
  return listed.split('\n').flatMap((line) => (line === '' ? [] : [line.replace(/^table /, '')]));
}

/** The rules of pods that the bridge plugin could not detach: it names its network in their comments. */
async function removeRules(network: string): Promise<void> {
  const saved = await runTool('iptables-save', '--table', 'nat').catch(() => '');
  const rules = saved.split('\n').filter((line) => line.startsWith('-A ') && line.includes(`"${network}\\"`));
  const chains = new Set(rules.flatMap((rule) => / -j (CNI-[0-9a-f]+)/.exec(rule)?.[1] ?? []));
  for (const rule of rules.filter((line) => line.startsWith('-A POSTROUTING'))) {
    const words = rule.match(/"(\\.|[^"])*"|\S+/g) ?? [];
    const [, ...args] = words.map((word) => word.replace(/^"(.*)"$/, '$1').replaceAll('\\"', '"'));
    await runTool('iptables', '--table', 'nat', '-D', ...args);
  }
  for (const chain of chains) {
    await runTool('iptables', '--table', 'nat', '-F', chain);
    await runTool('iptables', '--table', 'nat', '-X', chain);
  }
}

function cgroupFolders(group: string): string[] {
  const hierarchies = ['', ...fs.readdirSync('/sys/fs/cgroup')].map((name) => `/sys/fs/cgroup/${name}`);
  return hierarchies.map((dir) => `${dir}/${group}`).filter((dir) => fs.existsSync(dir));
}

function cgroupPids(group: string): number[] {
  return cgroupFolders(group)
    .flatMap((dir) => foldersBelow(dir))
    .flatMap((dir) => fs.readFileSync(`${dir}/cgroup.procs`, 'utf8').split('\n'))
    .flatMap((line) => (line === '' ? [] : [Number(line)]));
}

function foldersBelow(dir: string): string[] {
  const below = fs.readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...below.flatMap(({ name }) => foldersBelow(`${dir}/${name}`)), dir];
}

function removeCgroup(dir: string): void {
  for (const folder of foldersBelow(dir)) fs.rmdirSync(folder);
}

function shimPids(socketPath: string): number[] {
  return fs.readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const argv = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return argv.includes('containerd-shim') && argv.includes(socketPath) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended by itself.
  }
}
