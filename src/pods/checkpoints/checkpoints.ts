import type { CallContext } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import type { CheckpointContainerRequest } from '../../ports/cri/messages.js';
import type { ContainerRecord } from '../../state/records.js';
import { writeArchive } from './checkpoint-archive.js';
import { containerTarget } from '../containers/container-target.js';
import type { Pods } from '../pods.js';

/** For a request that names no timeout: memory of many gigabytes takes minutes. */
const defaultTimeoutMs = 600_000;

/** Archives of running containers: their processes as CRIU keeps them, and what they have written (ADR 17). */
export class Checkpoints {
  constructor(private readonly pods: Pods) {}

  /** Makes the archive at `location`; the container goes on. A failure leaves neither a part of it nor a frozen container. */
  async checkpoint(request: CheckpointContainerRequest, ctx: CallContext): Promise<void> {
    const { location, timeout } = request;
    if (timeout.startsWith('-')) throw new NodeletError('invalid', 'is negative', { field: 'timeout' });
    const { id, sandboxId } = this.pods.ledger.findContainer(request.container_id);
    await this.requireLocation(location);
    const { runner } = this.pods.parts;
    await this.pods.queue.run(sandboxId, async () => {
      const record = this.pods.ledger.container(id);
      if (record?.stage !== 'running') {
        throw new NodeletError('wrong-state', `container ${id} is ${record?.stage ?? 'gone'}, not running`, {
          field: 'container_id',
        });
      }
      await runner.requireCheckpoints(containerTarget(this.pods, record));
      const timeoutMs = timeout === '0' ? defaultTimeoutMs : Number(timeout) * 1000;
      await this.make(record, { location, timeoutMs }, ctx);
    });
  }

  private async make(
    record: ContainerRecord,
    { location, timeoutMs }: { location: string; timeoutMs: number },
    ctx: CallContext,
  ): Promise<void> {
    const { host, runner } = this.pods.parts;
    const { files } = host;
    const dir = this.pods.checkpointDir(record.id);
    const partial = `${location}.${host.random.hex(4)}.partial`;
    const [imagesDir, workDir] = [`${dir}/archive/checkpoint`, `${dir}/work`];
    try {
      await files.makeDir(imagesDir, 0o700);
      await files.makeDir(workDir, 0o700);
      // Read by the next start where this one is cut short.
      await files.writeAtomic(`${dir}/partial`, partial, 0o600);
      ctx.phase('checkpoint');
      try {
        await runner.checkpoint(
          { ...containerTarget(this.pods, record), imagesDir, workDir, timeoutMs },
          ctx,
        );
      } finally {
        // CRIU freezes the container first, and one that is cut short would leave it so.
        await host.cgroups.thaw(record.cgroupPath);
      }
      ctx.phase('archive');
      await writeArchive(this.pods, record, { dir, partial }, ctx);
      await files.rename(partial, location);
    } finally {
      await files.removeTree(partial);
      await files.removeTree(dir);
    }
  }

  private async requireLocation(location: string): Promise<void> {
    const { files } = this.pods.parts.host;
    const refuse = (kind: 'invalid' | 'not-found', message: string, remedy?: string) =>
      new NodeletError(
        kind,
        message,
        remedy === undefined ? { field: 'location' } : { field: 'location', remedy },
      );
    if (!location.startsWith('/') || location.endsWith('/') || location.includes('\0')) {
      throw refuse('invalid', `"${location}" is no absolute path of a file`);
    }
    const parent = location.slice(0, location.lastIndexOf('/')) || '/';
    if ((await files.stat(`${parent}/.`))?.kind !== 'dir') {
      throw refuse('not-found', `there is no folder ${parent}`, 'make it first');
    }
    const there = await files.stat(location);
    if (there !== undefined && there.kind !== 'file')
      throw refuse('invalid', 'is there already, and no file');
  }
}

/** Removes what a checkpoint left that was cut short by the agent's end. */
export async function sweepCheckpoints(pods: Pods): Promise<void> {
  const { files, cgroups } = pods.parts.host;
  for (const id of await files.list(pods.checkpointDir(''))) {
    const dir = pods.checkpointDir(id);
    const partial = (await files.read(`${dir}/partial`))?.toString('utf8');
    if (partial !== undefined) await files.removeTree(partial);
    const record = pods.ledger.allContainers().find((container) => container.id === id);
    if (record !== undefined) await cgroups.thaw(record.cgroupPath);
    await files.removeTree(dir);
  }
}
