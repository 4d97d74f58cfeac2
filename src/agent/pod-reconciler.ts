import type { PodSandbox, PodSandboxConfig } from '../ports/cri/messages.js';
import { keepRunning } from './container-work.js';
import { podLogFolder, podVolumesFolder, sandboxConfig } from './cri-requests.js';
import type { LogRotation } from './logs/rotation.js';
import { podStatus } from './pod-status.js';
import { PodWork } from './pod-work.js';
import { currentSandbox, removeSandbox, stopContainers, stopSandbox } from './sandbox-work.js';

/**
 * Brings one pod to what is desired. A pass reads the runtime afresh and does what is missing, so that a pass after a
 * crash, a failure or a change from outside is the same as any other. Passes of one pod never overlap: pod-loop.ts queues them.
 */
export class PodReconciler extends PodWork {
  /** Its containers have stopped for good, and its folders go. */
  leaving = false;

  constructor(
    private readonly rotation: Pick<LogRotation, 'release'>,
    ...work: ConstructorParameters<typeof PodWork>
  ) {
    super(...work);
  }

  /** One pass. `gone` when the pod has been deleted with all that it had. */
  async pass(): Promise<'kept' | 'gone'> {
    this.dueMs = undefined;
    await this.look();
    if (this.record.deletion !== undefined) {
      await this.remove();
      return 'gone';
    }
    if (this.record.finished !== undefined) {
      await this.stopReadySandboxes();
      return 'kept';
    }
    const sandbox = await currentSandbox(this);
    if (sandbox === undefined) return 'kept';
    const config = sandboxConfig(this.record, sandbox.metadata?.attempt ?? 0, this.parts.config);
    if (await this.initsDone(sandbox, config))
      for (const container of this.record.pod.spec.containers)
        await keepRunning(this, container, { sandbox, config, init: false });
    await this.look();
    await this.finishIfEnded();
    return 'kept';
  }

  private async initsDone(sandbox: PodSandbox, config: PodSandboxConfig): Promise<boolean> {
    const { containers, initContainers } = this.record.pod.spec;
    // Once a main container has been made in this sandbox, the init containers are over for good.
    const mains = new Set(containers.map(({ name }) => name));
    const begun = this.view.containers.some(
      (run) => run.sandboxId === sandbox.id && mains.has(run.metadata?.name ?? ''),
    );
    if (begun) return true;
    for (const init of initContainers)
      if (!(await keepRunning(this, init, { sandbox, config, init: true }))) return false;
    return true;
  }

  private async finishIfEnded(): Promise<void> {
    const status = podStatus(this.record, this.view, this.waiting, this.parts.config.hostIp ?? '');
    if (status.phase !== 'Succeeded' && status.phase !== 'Failed') return;
    await this.change({ finished: status });
    await this.stopReadySandboxes();
  }

  private async stopReadySandboxes(): Promise<void> {
    for (const { id, state } of this.view.sandboxes)
      if (state === 'SANDBOX_READY') await stopSandbox(this, id);
  }

  private async remove(): Promise<void> {
    const { uid, deletion } = this.record;
    const { files, config } = this.parts;
    const passedSeconds = (this.nowMs() - Number(BigInt(deletion?.requestedAtNs ?? '0') / 1_000_000n)) / 1000;
    const graceSeconds = Math.max(0, Math.ceil((deletion?.graceSeconds ?? 0) - passedSeconds));
    await Promise.all(this.view.sandboxes.map(({ id }) => stopContainers(this, id, graceSeconds)));
    for (const { id } of this.view.sandboxes) await removeSandbox(this, id);
    await files.removeTree(podVolumesFolder(uid, config));
    this.leaving = true;
    await this.rotation.release(podLogFolder(this.record, config));
    await files.removeTree(podLogFolder(this.record, config));
  }
}
