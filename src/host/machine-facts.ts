import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { splitHostPort } from '../base/host-port.js';
import type { BinaryFact, MachineFacts } from '../ports/machine-facts.js';
import { createCgroups } from './cgroups.js';

export interface MachineFactsOptions {
  conmonPath: string;
  /** Paths of the configured OCI runtimes; the first is the default one. */
  runtimePaths: readonly string[];
  runDir: string;
  /** `host:port`, or empty when metrics are off. */
  metricsAddress: string;
  fixHybridCgroups: boolean;
  /** Configured instead of the embedded one, which is made from catatonit. */
  pauseImage: string | undefined;
  /** Where a default seccomp profile may be, the first one found counts. */
  seccompPaths: readonly string[];
}

const run = promisify(execFile);
const tmpfsMagic = 0x01021994;
const capSysAdminBit = 21n;
const capSysResourceBit = 24n;

/** A file system that is a module is listed only once something has mounted it, which loads it; proc(5), modprobe(8). */
async function overlayFact(fileSystems: string): Promise<MachineFacts['overlay']> {
  if (/\toverlay$/m.test(fileSystems)) return 'in the kernel';
  const modules = await textOf(`/lib/modules/${release()}/modules.dep`);
  return /\/overlay\.ko[.:]/.test(modules) ? 'a module' : 'none';
}

/** Looks at this machine; changes nothing. What can't be read counts as absent. */
export async function gatherMachineFacts(options: MachineFactsOptions): Promise<MachineFacts> {
  const [fileSystems, status, forward] = await Promise.all([
    textOf('/proc/filesystems'),
    textOf('/proc/self/status'),
    textOf('/proc/sys/net/ipv4/ip_forward'),
  ]);
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  const [defaultRuntime, ...otherRuntimes] = options.runtimePaths;
  const wanted: [name: string, packageName: string, required: boolean, paths: string[]][] = [
    [
      'OCI runtime',
      packageOf(defaultRuntime ?? ''),
      true,
      defaultRuntime === undefined ? [] : [defaultRuntime],
    ],
    ...otherRuntimes.map((path): [string, string, boolean, string[]] => [
      'other OCI runtime',
      packageOf(path),
      false,
      [path],
    ]),
    ['conmon', 'conmon', true, [options.conmonPath]],
    ['nft', 'nftables', true, inPath('nft')],
    ['catatonit', 'catatonit', options.pauseImage === undefined, ['/usr/bin/catatonit']],
  ];
  return {
    kernelRelease: release(),
    nodeVersion: process.version,
    uid: process.geteuid?.() ?? -1,
    overlay: await overlayFact(fileSystems),
    missingNamespaces: await missingNamespaces(),
    seccomp: {
      supported: /^Seccomp:/m.test(status),
      profilePath: await firstThere(options.seccompPaths),
    },
    nftablesTrouble: await nftablesTrouble(),
    cgroup: await createCgroups().info(),
    fixHybridCgroups: options.fixHybridCgroups,
    binaries: await Promise.all(
      wanted.map(([name, packageName, required, paths]) => binaryFact(name, packageName, required, paths)),
    ),
    capSysAdmin: ((capabilities >> capSysAdminBit) & 1n) === 1n,
    capSysResource: ((capabilities >> capSysResourceBit) & 1n) === 1n,
    ipForward: forward.trim() === '1',
    runDir: { path: options.runDir, fileSystem: await fileSystemOf(options.runDir) },
    ports: options.metricsAddress === '' ? [] : [await portFact(options.metricsAddress, 'metrics')],
  };
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

const neededNamespaces = ['mnt', 'uts', 'ipc', 'pid', 'net'];

async function missingNamespaces(): Promise<string[]> {
  const found = await Promise.all(
    neededNamespaces.map(async (name) => ({ name, there: await isThere(`/proc/self/ns/${name}`) })),
  );
  return found.flatMap(({ name, there }) => (there ? [] : [name]));
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function firstThere(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isThere(path)) return path;
  return undefined;
}

/** Listing the tables changes nothing, and fails where the kernel has no nf_tables or doesn't let us. */
async function nftablesTrouble(): Promise<string | undefined> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  return run('nft', ['list', 'tables'], { timeout: 5000, env }).then(
    () => undefined,
    (error: Error & { stderr?: string }) => (error.stderr || error.message).trim().split('\n')[0],
  );
}

const packageOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

function inPath(name: string): string[] {
  const folders = (process.env['PATH'] ?? '').split(':').concat('/usr/sbin', '/usr/bin', '/sbin', '/bin');
  return folders.filter((folder) => folder !== '').map((folder) => join(folder, name));
}

async function binaryFact(
  name: string,
  packageName: string,
  required: boolean,
  paths: string[],
): Promise<BinaryFact> {
  for (const path of paths) {
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (!executable) continue;
    const version = await run(path, ['--version'], { timeout: 5000 }).then(
      ({ stdout, stderr }) => (stdout.trim() === '' ? stderr : stdout).trim().split('\n')[0],
      () => undefined,
    );
    return { name, packageName, required, path, version };
  }
  return { name, packageName, required, path: undefined, version: undefined };
}

/** The file system that holds `path`, or that would: its nearest existing parent's. */
async function fileSystemOf(path: string): Promise<'tmpfs' | 'other'> {
  try {
    return (await statfs(path)).type === tmpfsMagic ? 'tmpfs' : 'other';
  } catch {
    const parent = dirname(path);
    return parent === path ? 'other' : fileSystemOf(parent);
  }
}

async function portFact(address: string, use: string): Promise<MachineFacts['ports'][number]> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(splitHostPort(address), () => resolve(true));
  });
  if (free) await new Promise((closed) => server.close(closed));
  return { address, use, free };
}
