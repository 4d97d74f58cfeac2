import fs from 'node:fs';
import { newContainerStatusRequest, newPodSandboxStatusRequest } from '../../src/ports/cri/messages.js';
import { contextOf } from './pod-cycle.js';
import type { LivePod } from './pod-cycle.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';

/** Megabytes (10^6 bytes) of proportional set size: shared pages count by their share. */
export interface MemoryReport {
  pods: number;
  daemonPssMb: number;
  /** Resident, shared pages counted whole. */
  daemonRssMb: number;
  helpersPssMbPerPod: number;
  /** By program: processes and their PSS, per pod. */
  helpers: Record<string, { processesPerPod: number; pssMbPerPod: number }>;
}

/**
 * Memory of a runtime with idle pods. A helper is every process that names a sandbox or container id in its
 * argv (conmon, a shim) and every infra process that the runtime tells of; the pods' own containers are none.
 */
export async function measureMemory(
  runtime: RuntimeUnderTest,
  pods: readonly LivePod[],
): Promise<MemoryReport> {
  const helperPids = new Set<number>();
  const ids = pods.flatMap(({ sandboxId, containerId }) => [sandboxId, containerId]);
  for (const [pid, argv] of allProcesses()) if (ids.some((id) => argv.includes(id))) helperPids.add(pid);
  for (const { sandboxId, containerId } of pods) {
    const infra = await infraPid(runtime, sandboxId);
    if (infra !== undefined) helperPids.add(infra);
    const own = await containerPid(runtime, containerId);
    if (own !== undefined) helperPids.delete(own);
  }
  const helpers: MemoryReport['helpers'] = {};
  let totalMb = 0;
  for (const pid of helperPids) {
    const pssMb = memoryMb(pid).pssMb / pods.length;
    totalMb += pssMb;
    const name = fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    const known = helpers[name] ?? { processesPerPod: 0, pssMbPerPod: 0 };
    helpers[name] = {
      processesPerPod: known.processesPerPod + 1 / pods.length,
      pssMbPerPod: known.pssMbPerPod + pssMb,
    };
  }
  const daemon = memoryMb(runtime.daemonPid);
  return {
    pods: pods.length,
    daemonPssMb: daemon.pssMb,
    daemonRssMb: daemon.rssMb,
    helpersPssMbPerPod: totalMb,
    helpers,
  };
}

function memoryMb(pid: number): { pssMb: number; rssMb: number } {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024) / 1e6;
  return { pssMb: megabytes('Pss'), rssMb: megabytes('Rss') };
}

/** By how much a process' resident memory grows at its peak while something goes on, megabytes. */
export async function peakGrowthMb(pid: number, work: () => Promise<void>): Promise<number> {
  // Sets the peak (VmHWM) to what is resident now, proc(5).
  fs.writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const beforeMb = statusMb(pid, 'VmRSS');
  await work();
  return Math.max(0, statusMb(pid, 'VmHWM') - beforeMb);
}

function statusMb(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN) * 1024) / 1e6;
}

function* allProcesses(): Generator<[pid: number, argv: string]> {
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      yield [Number(name), fs.readFileSync(`/proc/${name}/cmdline`, 'utf8')];
    } catch {
      // Ended since the folder was read.
    }
  }
}

/** containerd and CRI-O tell `pid` in the verbose status, nodelet its whole record. */
async function infraPid({ shape }: RuntimeUnderTest, id: string): Promise<number | undefined> {
  const request = newPodSandboxStatusRequest({ pod_sandbox_id: id, verbose: true });
  const { info } = await shape.client.runtime.PodSandboxStatus(request, contextOf(shape));
  const told = JSON.parse(info['info'] ?? '{}') as { pid?: number; infra?: { pid: number } };
  return told.pid ?? told.infra?.pid;
}

async function containerPid({ shape }: RuntimeUnderTest, id: string): Promise<number | undefined> {
  const request = newContainerStatusRequest({ container_id: id, verbose: true });
  const { info } = await shape.client.runtime.ContainerStatus(request, contextOf(shape));
  return (JSON.parse(info['info'] ?? '{}') as { pid?: number }).pid;
}

/** The process that listens on a Unix socket: its inode from /proc/net/unix, then whose descriptor that is. */
export function listenerOf(socketPath: string): number {
  const listening = '00010000';
  const line = fs
    .readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((text) => text.trim().split(/\s+/))
    .find((fields) => fields[3] === listening && fields[7] === socketPath);
  const target = `socket:[${line?.[6] ?? ''}]`;
  for (const [pid] of allProcesses()) {
    try {
      for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
        if (fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === target) return pid;
      }
    } catch {
      // Ended, or a descriptor closed, since the folder was read.
    }
  }
  throw new Error(`no process listens on ${socketPath}`);
}
