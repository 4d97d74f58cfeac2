import { NodeletError } from '../../src/base/errors.js';
import {
  newContainer,
  newContainerStatus,
  newContainerStatusResponse,
  newCreateContainerResponse,
  newExecResponse,
  newImage,
  newImageStatusResponse,
  newListContainersResponse,
  newListPodSandboxResponse,
  newPodSandbox,
  newPodSandboxNetworkStatus,
  newPodSandboxStatus,
  newPodSandboxStatusResponse,
  newPullImageResponse,
  newRunPodSandboxResponse,
} from '../../src/ports/cri/messages.js';
import type {
  ContainerConfig,
  ContainerStatus,
  PodSandbox,
  PodSandboxConfig,
} from '../../src/ports/cri/messages.js';
import type { CriRuntime } from '../../src/ports/cri/runtime.js';
import type { SimClock } from './clock.js';

type SimContainer = { sandboxId: string; config: ContainerConfig; status: ContainerStatus };

/** A CRI runtime in memory: sandboxes and containers with their states, no processes. Tests end containers by hand. */
export class CriModel implements CriRuntime {
  readonly sandboxes = new Map<string, PodSandbox & { config: PodSandboxConfig }>();
  readonly containers = new Map<string, SimContainer>();
  readonly images_ = new Set<string>();
  /** Image names that cannot be pulled. */
  readonly unpullable = new Set<string>();
  /** Verbs in the order they came, with the name they were about. */
  readonly calls: string[] = [];
  /** Where Exec sends its clients. */
  execUrl = 'http://127.0.0.1:1/exec/token';
  private serial = 0;

  constructor(private readonly clock: SimClock) {}

  byName(name: string): SimContainer[] {
    return [...this.containers.values()].filter(({ status }) => status.metadata?.name === name);
  }

  running(name: string): SimContainer | undefined {
    return this.byName(name).find(({ status }) => status.state === 'CONTAINER_RUNNING');
  }

  /** The container's process ends by itself. */
  exit(name: string, exitCode: number): void {
    const container = this.running(name);
    if (container === undefined) throw new Error(`no running container ${name}`);
    this.end(container, exitCode);
  }

  /** The sandbox's infra process dies, and all containers with it. */
  killSandboxes(): void {
    for (const [id, sandbox] of this.sandboxes) this.endSandbox(id, sandbox);
  }

  private end(container: SimContainer, exitCode: number): void {
    if (container.status.state === 'CONTAINER_EXITED') return;
    Object.assign(container.status, {
      state: 'CONTAINER_EXITED',
      exit_code: exitCode,
      finished_at: String(this.clock.nowNs()),
      reason: exitCode === 0 ? 'Completed' : 'Error',
    });
  }

  private endSandbox(id: string, sandbox: PodSandbox): void {
    sandbox.state = 'SANDBOX_NOTREADY';
    for (const container of this.containers.values())
      if (container.sandboxId === id) this.end(container, 137);
  }

  private sandbox(id: string): PodSandbox & { config: PodSandboxConfig } {
    const found = this.sandboxes.get(id);
    if (found === undefined) throw new NodeletError('not-found', `no sandbox ${id}`);
    return found;
  }

  private container(id: string): SimContainer {
    const found = this.containers.get(id);
    if (found === undefined) throw new NodeletError('not-found', `no container ${id}`);
    return found;
  }

  private note(verb: string, name = ''): void {
    this.calls.push(`${verb} ${name}`.trim());
  }

  readonly images = {
    ImageStatus: async ({ image }) =>
      newImageStatusResponse({
        image: this.images_.has(image?.image ?? '') ? newImage({ id: `id-of-${image?.image ?? ''}` }) : null,
      }),
    PullImage: async ({ image }) => {
      const name = image?.image ?? '';
      this.note('PullImage', name);
      if (this.unpullable.has(name)) throw new NodeletError('not-found', `${name}: manifest unknown`);
      this.images_.add(name);
      return newPullImageResponse({ image_ref: `id-of-${name}` });
    },
  } as Pick<CriRuntime['images'], 'ImageStatus' | 'PullImage'> as CriRuntime['images'];

  readonly runtime = {
    RunPodSandbox: async ({ config }) => {
      if (config === null) throw new NodeletError('invalid', 'no config');
      this.note('RunPodSandbox', config.metadata?.name);
      const id = `sandbox${++this.serial}`;
      const { metadata, labels, annotations } = config;
      this.sandboxes.set(id, {
        ...newPodSandbox({ id, metadata, labels, annotations, state: 'SANDBOX_READY' }),
        config,
      });
      return newRunPodSandboxResponse({ pod_sandbox_id: id });
    },
    StopPodSandbox: async ({ pod_sandbox_id: id }) => {
      this.note('StopPodSandbox');
      this.endSandbox(id, this.sandbox(id));
      return {};
    },
    RemovePodSandbox: async ({ pod_sandbox_id: id }) => {
      this.note('RemovePodSandbox');
      this.sandboxes.delete(id);
      for (const [key, { sandboxId }] of this.containers) if (sandboxId === id) this.containers.delete(key);
      return {};
    },
    PodSandboxStatus: async ({ pod_sandbox_id: id }) => {
      const { state, metadata } = this.sandbox(id);
      const network = newPodSandboxNetworkStatus({ ip: '10.88.0.7' });
      return newPodSandboxStatusResponse({ status: newPodSandboxStatus({ id, state, metadata, network }) });
    },
    ListPodSandbox: async ({ filter }) =>
      newListPodSandboxResponse({
        items: [...this.sandboxes.values()].filter(({ labels }) => selects(filter?.label_selector, labels)),
      }),
    CreateContainer: async ({ pod_sandbox_id: sandboxId, config }) => {
      if (config === null) throw new NodeletError('invalid', 'no config');
      this.note('CreateContainer', config.metadata?.name);
      this.sandbox(sandboxId);
      const id = `container${++this.serial}`;
      const { metadata, labels, annotations, image } = config;
      const status = newContainerStatus({
        id,
        metadata,
        labels,
        annotations,
        image,
        state: 'CONTAINER_CREATED',
      });
      this.containers.set(id, { sandboxId, config, status });
      return newCreateContainerResponse({ container_id: id });
    },
    StartContainer: async ({ container_id: id }) => {
      const { status } = this.container(id);
      this.note('StartContainer', status.metadata?.name);
      Object.assign(status, { state: 'CONTAINER_RUNNING', started_at: String(this.clock.nowNs()) });
      return {};
    },
    StopContainer: async ({ container_id: id, timeout }) => {
      const container = this.container(id);
      this.note('StopContainer', `${container.status.metadata?.name ?? ''} ${timeout}`);
      this.end(container, 143);
      return {};
    },
    RemoveContainer: async ({ container_id: id }) => {
      this.note('RemoveContainer', this.containers.get(id)?.status.metadata?.name);
      this.containers.delete(id);
      return {};
    },
    ListContainers: async ({ filter }) =>
      newListContainersResponse({
        containers: [...this.containers.values()]
          .filter(({ status }) => selects(filter?.label_selector, status.labels))
          .map(({ sandboxId, status: { id, state, labels, metadata } }) =>
            newContainer({ id, pod_sandbox_id: sandboxId, state, labels, metadata }),
          ),
      }),
    ContainerStatus: async ({ container_id: id }) =>
      newContainerStatusResponse({ status: { ...this.container(id).status } }),
    Exec: async ({ cmd, container_id: id }) => {
      this.note('Exec', `${this.container(id).status.metadata?.name ?? ''} ${cmd.join(' ')}`);
      return newExecResponse({ url: this.execUrl });
    },
  } as Partial<CriRuntime['runtime']> as CriRuntime['runtime'];
}

function selects(selector: Record<string, string> | undefined, labels: Record<string, string>): boolean {
  return Object.entries(selector ?? {}).every(([name, value]) => labels[name] === value);
}
