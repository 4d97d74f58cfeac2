import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import type { CallContext } from '../../src/base/call-context.js';
import {
  newContainerConfig,
  newContainerMetadata,
  newContainerStatusRequest,
  newCreateContainerRequest,
  newExecSyncRequest,
  newImageSpec,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newListContainersRequest,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newPodSandboxStatusRequest,
  newRemovePodSandboxRequest,
  newRunPodSandboxRequest,
  newStartContainerRequest,
} from '../../src/ports/cri/messages.js';
import type {
  ContainerConfig,
  ContainerStatus,
  LinuxContainerSecurityContext,
  PodSandboxConfig,
  PodSandboxStatus,
} from '../../src/ports/cri/messages.js';
import type { CriRuntime } from '../../src/ports/cri/runtime.js';
import { waitFor } from './real-node.js';
import type { RealNode } from './real-node.js';

/** What `exec` gave, as text. */
export interface ExecOutcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface LogLine {
  timestamp: string;
  stream: string;
  /** `F` for a whole line, `P` for a part that the next one continues. */
  tag: string;
  text: string;
}

/** Short forms of the CRI calls that tests of pods make again and again. */
export class PodClient {
  private readonly sandboxes = new Map<string, PodSandboxConfig>();

  private constructor(
    readonly cri: CriRuntime,
    readonly ctx: CallContext,
    private readonly image: string,
    /** Folder for the logs of its pods. */
    private readonly logDir: string,
  ) {}

  /** Its containers are of `image`, by default the node's plain one. */
  static async on(node: RealNode, image?: string): Promise<PodClient> {
    return new PodClient(node.cri, node.ctx, image ?? (await node.image()), `${node.dir}/logs`);
  }

  /** A ready sandbox under a name of its own; gives its id. */
  async runPod(set: Partial<PodSandboxConfig> = {}, handler = ''): Promise<string> {
    const config = podConfig({ log_directory: `${this.logDir}/${randomBytes(4).toString('hex')}`, ...set });
    const request = newRunPodSandboxRequest({ config, runtime_handler: handler });
    const { pod_sandbox_id: id } = await this.cri.runtime.RunPodSandbox(request, this.ctx);
    this.sandboxes.set(id, config);
    return id;
  }

  /** Has containers from now on come with this config of their sandbox. */
  renew(id: string, set: Partial<PodSandboxConfig>): void {
    this.sandboxes.set(id, newPodSandboxConfig({ ...this.sandboxes.get(id), ...set }));
  }

  async removePod(id: string): Promise<void> {
    await this.cri.runtime.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: id }), this.ctx);
    this.sandboxes.delete(id);
  }

  /** Removes every sandbox that runPod made and that is still there. */
  async removeAll(): Promise<void> {
    await Promise.all([...this.sandboxes.keys()].map((id) => this.removePod(id)));
  }

  /** A created container of the plain image; gives its id. */
  async create(sandbox: string, set: Partial<ContainerConfig> = {}): Promise<string> {
    const name = `c-${randomBytes(3).toString('hex')}`;
    const request = newCreateContainerRequest({
      pod_sandbox_id: sandbox,
      config: newContainerConfig({
        metadata: newContainerMetadata({ name }),
        log_path: `${name}.log`,
        image: newImageSpec({ image: this.image }),
        ...set,
      }),
      sandbox_config: this.sandboxes.get(sandbox) ?? null,
    });
    return (await this.cri.runtime.CreateContainer(request, this.ctx)).container_id;
  }

  async start(id: string): Promise<void> {
    await this.cri.runtime.StartContainer(newStartContainerRequest({ container_id: id }), this.ctx);
  }

  /** Create and start. */
  async run(sandbox: string, set: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await this.create(sandbox, set);
    await this.start(id);
    return id;
  }

  async status(id: string): Promise<ContainerStatus> {
    const request = newContainerStatusRequest({ container_id: id });
    const { status } = await this.cri.runtime.ContainerStatus(request, this.ctx);
    if (status === null) throw new Error(`no status of ${id}`);
    return status;
  }

  /** Host pid of the container's process 1. */
  async pid(id: string): Promise<number> {
    const request = newContainerStatusRequest({ container_id: id, verbose: true });
    const { info } = await this.cri.runtime.ContainerStatus(request, this.ctx);
    return (JSON.parse(info['info'] ?? '{}') as { pid: number }).pid;
  }

  /** Fields of /proc/PID/status of process 1, as the host sees it. */
  async processStatus(id: string): Promise<Record<string, string>> {
    return statusFields(fs.readFileSync(`/proc/${await this.pid(id)}/status`, 'utf8'));
  }

  async podStatus(id: string): Promise<PodSandboxStatus> {
    const request = newPodSandboxStatusRequest({ pod_sandbox_id: id });
    const { status } = await this.cri.runtime.PodSandboxStatus(request, this.ctx);
    if (status === null) throw new Error(`no status of ${id}`);
    return status;
  }

  /** The config that runPod sent. */
  podConfigOf(sandbox: string): PodSandboxConfig {
    const config = this.sandboxes.get(sandbox);
    if (config === undefined) throw new Error(`${sandbox} was not made here`);
    return config;
  }

  /** Lines of the container's log, parsed by the CRI format: time, stream, tags, text. */
  async logLines(id: string): Promise<LogLine[]> {
    const { log_path } = await this.status(id);
    return parseLog(fs.readFileSync(log_path, 'utf8'));
  }

  /** What the container printed, on both streams, without the last newline. */
  async logText(id: string): Promise<string> {
    return (await this.logLines(id))
      .map((line) => line.text + (line.tag === 'F' ? '\n' : ''))
      .join('')
      .replace(/\n$/, '');
  }

  /** The status once the container has exited. */
  async exited(id: string): Promise<ContainerStatus> {
    await waitFor(`exit of ${id}`, async () => (await this.status(id)).state === 'CONTAINER_EXITED');
    return this.status(id);
  }

  async exec(id: string, ...cmd: string[]): Promise<ExecOutcome> {
    const request = newExecSyncRequest({ container_id: id, cmd });
    const { exit_code, stdout, stderr } = await this.cri.runtime.ExecSync(request, this.ctx);
    return { exitCode: exit_code, stdout: text(stdout), stderr: text(stderr) };
  }

  /** `exec` of a shell line that must succeed; gives its output without the last newline. */
  async shell(id: string, line: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.exec(id, 'sh', '-c', line);
    if (exitCode !== 0) throw new Error(`"${line}" gave ${exitCode}: ${stderr}`);
    return stdout.replace(/\n$/, '');
  }

  async containersOf(sandbox: string): Promise<string[]> {
    const { containers } = await this.cri.runtime.ListContainers(newListContainersRequest(), this.ctx);
    return containers.filter((item) => item.pod_sandbox_id === sandbox).map(({ id }) => id);
  }
}

/** The part of a container's config that says its security context. */
export function secured(set: Partial<LinuxContainerSecurityContext>): Pick<ContainerConfig, 'linux'> {
  const security_context = newLinuxContainerSecurityContext(set);
  return { linux: newLinuxContainerConfig({ security_context }) };
}

/** The fields of a /proc/PID/status, white space made single. */
export function statusFields(content: string): Record<string, string> {
  const fields = content.split('\n').map((line) => line.split(':'));
  return Object.fromEntries(
    fields.map(([name = '', ...value]) => [name, value.join(':').trim().replace(/\s+/g, ' ')]),
  );
}

export function parseLog(content: string): LogLine[] {
  return content
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [timestamp = '', stream = '', tag = '', ...words] = line.split(' ');
      return { timestamp, stream, tag, text: words.join(' ') };
    });
}

/** A sandbox config with a name of its own. */
export function podConfig(set: Partial<PodSandboxConfig> = {}): PodSandboxConfig {
  const name = `pod-${randomBytes(4).toString('hex')}`;
  const metadata = newPodSandboxMetadata({ name, namespace: 'test', uid: randomBytes(8).toString('hex') });
  return newPodSandboxConfig({ metadata, hostname: name, ...set });
}

/** The error that a call must end with. */
export async function failure(call: Promise<unknown>): Promise<Error & { kind?: string }> {
  const outcome: unknown = await call.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  return outcome as Error;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
