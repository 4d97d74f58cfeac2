import { backgroundContext } from '../../../src/base/call-context.js';
import {
  newContainerStatusRequest,
  newListContainersRequest,
  newListPodSandboxRequest,
} from '../../../src/ports/cri/messages.js';
import type { Promised } from './pod-driver.js';
import { machineSummary } from './machine-summary.js';
import { killedCode } from './pod-script.js';
import type { SimWorld } from './world.js';

const ctx = backgroundContext();

export interface Expected {
  promised: readonly Promised[];
  /** Steps failed or processes were killed before: a start may have been undone after its program began, and ends be noticed late. */
  afterFailures: boolean;
}

/** What the CRI shows: ids with their states. */
interface Visible {
  sandboxes: Map<string, string>;
  containers: Map<string, string>;
}

async function visible({ cri }: SimWorld): Promise<Visible> {
  const { items } = await cri.ListPodSandbox(newListPodSandboxRequest(), ctx);
  const { containers } = await cri.ListContainers(newListContainersRequest(), ctx);
  return {
    sandboxes: new Map(items.map(({ id, state }) => [id, state])),
    containers: new Map(containers.map(({ id, state }) => [id, state])),
  };
}

/**
 * Holds a node at rest after recovery against its machine: whatever is there belongs to something that the CRI
 * shows, and what the CRI shows is so. Gives the violations, one a line.
 */
export async function audit(world: SimWorld, before: readonly string[], expected: Expected) {
  const { promised, afterFailures } = expected;
  const seen = await visible(world);
  const known = [...seen.sandboxes.keys(), ...seen.containers.keys()];
  const violations = [
    ...strays(world, before, known),
    ...networkStrays(world, seen),
    ...sandboxLies(world, seen),
    ...(await containerLies(world, seen, afterFailures)),
  ];
  for (const { readySandbox, running } of promised) {
    const isExcused = (id: string) => world.machine.truth.get(id)?.murdered === true;
    const isReady = readySandbox === undefined || seen.sandboxes.get(readySandbox) === 'SANDBOX_READY';
    if (!isReady && !isExcused(readySandbox)) {
      violations.push(`lost: sandbox ${readySandbox} was ready`);
    }
    const isRunning = running === undefined || seen.containers.get(running) === 'CONTAINER_RUNNING';
    if (!isRunning && !isExcused(running)) {
      violations.push(`lost: container ${running} was running`);
    }
  }
  return violations;
}

/** What the machine has more than before, and nothing that the CRI shows is named in it. */
function strays(world: SimWorld, before: readonly string[], known: readonly string[]): string[] {
  const { machine } = world;
  const links = new Set(attachments(world).map(([, { hostInterface }]) => hostInterface));
  const excused = (line: string) =>
    known.some((id) => line.includes(id)) ||
    /^(nft|process|link nl\w+|\d+ network namespaces)/.test(line) ||
    before.includes(line);
  const left = machineSummary(machine).filter((line) => !excused(line));
  const processes = machine.processes
    .all()
    .filter(({ argv, cgroup }) => !known.some((id) => argv.includes(id) || cgroup.includes(id)))
    .map(({ argv, cgroup }) => `process ${argv.join(' ').slice(0, 80)} in ${cgroup}`);
  const lost = machine.net
    .links()
    .filter(({ name, kind }) => kind === 'veth' && !links.has(name))
    .map(({ name }) => `link ${name}`);
  return [...left, ...processes, ...lost].map((line) => `stray: ${line}`);
}

interface Attachment {
  hostInterface: string;
  ips: string[];
  ports: unknown[];
}

function attachments({ machine }: SimWorld): [string, Attachment][] {
  const rows = [...(machine.tables.get('network-attachments') ?? new Map<string, string>())];
  return rows.map(([id, text]) => [id, JSON.parse(text) as Attachment]);
}

function networkStrays(world: SimWorld, { sandboxes }: Visible): string[] {
  const { machine } = world;
  const ready = new Set([...sandboxes].filter(([, state]) => state === 'SANDBOX_READY').map(([id]) => id));
  const held = attachments(world);
  const strayAddresses = held.filter(([id]) => !ready.has(id)).map(([id]) => `stray: address of ${id}`);
  const wanted = held.reduce((sum, [, { ports }]) => sum + ports.length, 0);
  const elements = machine.nft.elements('ip', 'nodelet');
  const ips = held.flatMap(([, attachment]) => attachment.ips);
  const strayElements = elements.filter((line) => !ips.some((ip) => line.includes(`${ip} . `)));
  const namespaces = machine.net.count() - 1 - machine.pins.size;
  return [
    ...strayAddresses,
    ...strayElements.map((line) => `stray: nft element ${line}`),
    ...(elements.length === wanted
      ? []
      : [`lost: ${wanted} host ports have ${elements.length} nft elements`]),
    ...(namespaces === 0 ? [] : [`stray: ${namespaces} network namespaces that nothing pins`]),
    ...[...machine.pins.keys()]
      .filter((path) => !ready.has(path.slice(path.lastIndexOf('/') + 1)))
      .map((path) => `stray: namespace ${path}`),
  ];
}

function sandboxLies({ machine }: SimWorld, { sandboxes }: Visible): string[] {
  return [...sandboxes].flatMap(([id, state]) => {
    const isAlive = machine.truth.get(id)?.process.alive === true;
    return isAlive === (state === 'SANDBOX_READY')
      ? []
      : [`lie: sandbox ${id} is ${state}, alive ${isAlive}`];
  });
}

async function containerLies(
  world: SimWorld,
  { containers }: Visible,
  afterFailures: boolean,
): Promise<string[]> {
  const lies: string[] = [];
  for (const [id, state] of containers) {
    const truth = world.machine.truth.get(id);
    const isAlive = truth?.process.alive === true;
    if (isAlive !== (state === 'CONTAINER_RUNNING') || (isAlive && truth?.begun !== true)) {
      lies.push(`lie: container ${id} is ${state}, alive ${isAlive}, begun ${truth?.begun}`);
    }
    if (truth?.begun !== true) continue;
    const { status } = await world.cri.ContainerStatus(newContainerStatusRequest({ container_id: id }), ctx);
    if (isAlive) {
      const { cgroups } = world.machine;
      const group = cgroups.all().find((path) => path.endsWith(`/${id}`)) ?? '';
      const shares = String(cgroups.limitsOf(group).cpuShares ?? 0);
      // A step that failed after it had its effect is told as not done.
      if ((status?.resources?.linux?.cpu_shares ?? '0') !== shares && !afterFailures) {
        lies.push(`lie: container ${id} has ${shares} cpu shares, the CRI says another number`);
      }
      continue;
    }
    const isExcused =
      (truth.unwitnessed && status?.reason === 'ContainerStatusUnknown') ||
      (afterFailures && status?.reason === 'StartError' && truth.exitCode === killedCode);
    if (status?.exit_code !== truth.exitCode && !isExcused) {
      lies.push(
        `lie: container ${id} ended with ${truth.exitCode}, the CRI says ${status?.exit_code} ${status?.reason}`,
      );
    }
  }
  return lies;
}
