import { sweepCheckpoints } from './checkpoints/checkpoints.js';
import { snapshotOwner } from './mounts/image-volumes.js';
import type { Pods } from './pods.js';
import type { SettleServices } from './sandboxes/settle-sandbox.js';
import { settleSandbox } from './sandboxes/settle-sandbox.js';

/** Undoing what was half made is mostly waiting for the kernel and for tools. */
const settledAtOnce = 8;

/**
 * Brings records and machine together after a start: what lived on is adopted, what a crash left half made
 * is undone, what ended meanwhile is recorded, and what belongs to no record is removed.
 */
export async function recover(pods: Pods, services: SettleServices): Promise<void> {
  const waiting = pods.ledger.allSandboxes().map(({ id }) => id);
  const settleWaiting = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const sandboxId = id;
      await attempt(pods, `sandbox ${sandboxId}`, () => settleSandbox(pods, services, sandboxId));
    }
  };
  await Promise.all(Array.from({ length: settledAtOnce }, settleWaiting));
  // Left by a creation whose undo failed, and whose sandbox has been removed since.
  for (const record of pods.ledger.allContainers()) {
    if (pods.ledger.sandbox(record.sandboxId) !== undefined) continue;
    await attempt(pods, `container ${record.id}`, () => services.containers.purge(record));
  }
  await sweepOrphans(pods);
}

/** Things on the machine that no record knows: their making was undone only in part, or their record was lost. */
async function sweepOrphans(pods: Pods): Promise<void> {
  const { host, images, network, runner, config } = pods.parts;
  const sandboxes = new Set<string>(pods.ledger.allSandboxes().map((record) => record.id));
  const known = new Set<string>([...sandboxes, ...pods.ledger.allContainers().map((record) => record.id)]);
  for (const { id, handler } of await runner.list()) {
    if (known.has(id)) continue;
    const bundle = pods.containerDir(id);
    await attempt(pods, `container ${id}`, () =>
      runner.remove({ id: id as never, handler, bundle, cgroupPath: undefined }),
    );
  }
  for (const id of await runner.exits()) {
    if (!known.has(id)) await attempt(pods, `exit of ${id}`, () => runner.forgetExit(id));
  }
  await attempt(pods, 'checkpoints', () => sweepCheckpoints(pods));
  await attempt(pods, 'network', () => network.sweep(sandboxes));
  for (const path of await host.namespaces.listPinned(`${config.runDir}/netns`)) {
    if (!sandboxes.has(baseName(path))) {
      await attempt(pods, path, () => host.namespaces.removeNet(path));
    }
  }
  for (const id of await images.snapshots.list()) {
    if (!known.has(snapshotOwner(id)))
      await attempt(pods, `snapshot ${id}`, () => images.snapshots.remove(id));
  }
  for (const kind of ['sandboxes', 'containers']) {
    for (const id of await host.files.list(`${config.runDir}/${kind}`)) {
      if (known.has(id)) continue;
      await attempt(pods, `${kind}/${id}`, async () => {
        await host.mounts.unmount(`${config.runDir}/${kind}/${id}/shm`);
        await host.files.removeTree(`${config.runDir}/${kind}/${id}`);
      });
    }
  }
  for (const name of await host.cgroups.children(config.cgroupParent)) {
    const id = name.startsWith('pod') ? name.slice(3) : undefined;
    if (id === undefined || sandboxes.has(id)) continue;
    await attempt(pods, name, () => host.cgroups.remove(`${config.cgroupParent}/${name}`));
  }
}

/** One thing that can't be cleaned must not keep the rest from being cleaned, nor the agent from starting. */
async function attempt(pods: Pods, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    pods.parts.log.error({ what, err: String(thrown) }, 'recovery failed for one thing, going on');
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
