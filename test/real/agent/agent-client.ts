import type { PodObject } from '../../../src/agent/pod-object.js';
import type { PodEvent } from '../../../src/agent/event-log.js';
import { createApiClient } from '../../../src/cli/api-client.js';
import { newExecSyncRequest } from '../../../src/ports/cri/messages.js';
import type { RealNode } from '../real-node.js';
import { waitFor } from '../real-node.js';

/** Pods of the default namespace through a node's own API. */
export class AgentClient {
  constructor(private readonly node: RealNode) {}

  private get api() {
    return createApiClient(this.node.config.apiSocket);
  }

  apply(text: string): Promise<{ name: string; action: string }[]> {
    const body = { manifests: [{ source: 'test.yaml', text }] };
    return this.api.json({ method: 'POST', path: '/nodelet/v1/apply', body });
  }

  /** The pod, or undefined once it is gone. */
  async pod(name: string): Promise<PodObject | undefined> {
    const { items } = await this.api.json<{ items: PodObject[] }>({ method: 'GET', path: '/api/v1/pods' });
    return items.find(({ metadata }) => metadata.name === name);
  }

  /** Waits until the pod is as wanted, and shows what it was instead when that never happens. */
  async until(name: string, what: string, holds: (pod: PodObject) => boolean, timeoutMs = 40_000) {
    let last: PodObject | undefined;
    await waitFor(
      `${name}: ${what}`,
      async () => {
        last = await this.pod(name);
        return last !== undefined && holds(last);
      },
      timeoutMs,
    ).catch(async (thrown: Error) => {
      const events = (await this.events(name)).map(({ reason, message }) => `${reason}: ${message}`);
      throw new Error(`${thrown.message}\n${JSON.stringify(last?.status)}\n${events.join('\n')}`);
    });
    return last as PodObject;
  }

  ready(name: string): Promise<PodObject> {
    return this.until(name, 'Ready', ({ status }) =>
      status.conditions.some(({ type, status: holds }) => type === 'Ready' && holds === 'True'),
    );
  }

  async events(name: string): Promise<PodEvent[]> {
    const path = `/api/v1/namespaces/default/pods/${name}/events`;
    return (await this.api.json<{ items: PodEvent[] }>({ method: 'GET', path })).items;
  }

  async delete(name: string, graceSeconds?: number): Promise<void> {
    await this.api.json({
      method: 'DELETE',
      path: `/api/v1/namespaces/default/pods/${name}`,
      query: { gracePeriodSeconds: graceSeconds?.toString() },
    });
    await waitFor(`${name} is gone`, async () => (await this.pod(name)) === undefined);
  }

  async log(name: string, query: Record<string, string> = {}): Promise<string> {
    let text = '';
    const path = `/api/v1/namespaces/default/pods/${name}/log`;
    await this.api.stream({ method: 'GET', path, query }, (chunk) => void (text += chunk.toString('utf8')));
    return text;
  }

  /** Output of a command in a running container. */
  async exec(name: string, container: string, ...cmd: string[]): Promise<string> {
    const id = containerId(await this.pod(name), container);
    const request = newExecSyncRequest({ container_id: id, cmd });
    const { stdout } = await this.node.cri.runtime.ExecSync(request, this.node.ctx);
    return Buffer.from(stdout).toString('utf8');
  }
}

export function statusOf(pod: PodObject | undefined, container: string) {
  const status = pod?.status.containerStatuses.find(({ name }) => name === container);
  if (status === undefined) throw new Error(`no container ${container}`);
  return status;
}

export function containerId(pod: PodObject | undefined, container: string): string {
  return statusOf(pod, container).containerID.replace('nodelet://', '');
}

/** A manifest of one container under `sh -c`; `spec` and `container` are further lines of YAML, indented as they stand. */
export function shellPod(
  name: string,
  {
    image,
    script,
    spec = '',
    container = '',
  }: { image: string; script: string; spec?: string; container?: string },
): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 1
${spec}  containers:
  - name: main
    image: "${image}"
    command: [sh, -c, ${JSON.stringify(script)}]
${container}---
`;
}
