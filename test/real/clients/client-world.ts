import { expect } from 'chai';
import { newExecSyncRequest, newListContainersRequest } from '../../../src/ports/cri/messages.js';
import type { Container } from '../../../src/ports/cri/messages.js';
import { cli } from '../cli/nodelet-cli.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { freePort } from '../test-registry.js';
import { apiOverTcp } from './api-over-tcp.js';
import type { TcpBridge } from './api-over-tcp.js';

/** Where a pod's server listens, on every address of its pod: it sends back what it gets, each connection on its own. */
export const echoPort = 7007;
/** Nobody listens there. */
export const refusedPort = 7999;

const reader = (end: string) => `while read line; do echo "got $line"; done; echo "stdin has ended"; ${end}`;

function manifests(image: string, hostPort: number, attachers: number): string {
  const pod = (name: string, containers: object[], more: { spec?: object; metadata?: object } = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name }, ...more.metadata },
    spec: { terminationGracePeriodSeconds: 0, containers, ...more.spec },
  });
  const container = (name: string, command: string[], more: object = {}) => ({
    name,
    image,
    command,
    ...more,
  });
  const echo = (port: number) => container('echo', ['nc', '-ll', '-p', String(port), '-e', 'cat']);
  const once = Array.from({ length: attachers }, (_, index) =>
    container(`once-${index}`, ['sh', '-c', reader('sleep 1000000')], { stdin: true, stdinOnce: true }),
  );
  const pods = [
    pod('box', [container('main', ['sleep', '1000000'])]),
    pod('talk', [
      container('main', ['sh', '-c', reader('exit 1')], { stdin: true }),
      container('terminal', ['sh'], { stdin: true, tty: true }),
      ...once,
    ]),
    pod('chat', [
      container('main', ['sh', '-c', 'n=0; while sleep 0.1; do n=$((n + 1)); echo "line $n"; done']),
    ]),
    pod('bridge', [echo(echoPort)]),
    pod('host', [echo(hostPort)], { spec: { hostNetwork: true } }),
    pod('none', [echo(echoPort)], { metadata: { annotations: { 'nodelet.dev/network': 'none' } } }),
  ];
  return pods.map((each) => JSON.stringify(each)).join('\n---\n');
}

/**
 * A daemon of its own with pods for clients to talk to: `box`, which sleeps; `talk`, whose `main`, `once-0` and so on answer
 * each line of their stdin, and whose `terminal` is a shell; `chat`, which prints `line N` ten times a second; `bridge`, `host` and `none`, each an echo server in the network
 * of that name.
 */
export class ClientWorld {
  private constructor(
    readonly node: RealNode,
    private readonly bridge: TcpBridge,
    /** Port of each echo server, by its pod. */
    readonly echoPorts: Readonly<Record<'bridge' | 'host' | 'none', number>>,
  ) {}

  /** All containers run when this resolves; `attachers` is how many of `once-N` there are. */
  static async start({ attachers }: { attachers: number }): Promise<ClientWorld> {
    const node = await startRealNode({ as: 'child' });
    try {
      const host = await freePort();
      const text = manifests(await node.image(), host, attachers);
      expect(await cli(node, ['apply', '-f', '-'], text)).to.include({ exitCode: 0, stderr: '' });
      const bridge = await apiOverTcp(node.config.apiSocket);
      const world = new ClientWorld(node, bridge, { bridge: echoPort, host, none: echoPort });
      await waitFor('all containers', async () => {
        const all = await world.containers();
        return all.length === 7 + attachers && all.every(({ state }) => state === 'CONTAINER_RUNNING');
      });
      await waitFor('the agent to know', async () => {
        const { stdout } = await cli(node, ['get', 'pods']);
        return stdout.split('Running').length === 7;
      });
      return world;
    } catch (thrown) {
      await node.dispose();
      throw thrown;
    }
  }

  /** `http://127.0.0.1:PORT` of the API. */
  get url(): string {
    return this.bridge.url;
  }

  async dispose(): Promise<void> {
    this.bridge.close();
    await this.node.dispose();
  }

  async containerId(pod: string, container = 'main'): Promise<string> {
    const found = (await this.containers()).find(
      ({ labels, metadata }) => labels['io.kubernetes.pod.name'] === pod && metadata?.name === container,
    );
    if (found === undefined) throw new Error(`no container ${container} in pod ${pod}`);
    return found.id;
  }

  /** What a shell in `box` prints. */
  async inBox(line: string): Promise<string> {
    const request = newExecSyncRequest({
      container_id: await this.containerId('box'),
      cmd: ['sh', '-c', line],
    });
    return Buffer.from((await this.node.cri.runtime.ExecSync(request, this.node.ctx)).stdout).toString();
  }

  /** Whether a `sleep` of this many seconds runs in `box`. */
  async sleeps(seconds: number): Promise<boolean> {
    return (await this.inBox('ps -o args')).split('\n').includes(`sleep ${seconds}`);
  }

  private async containers(): Promise<Container[]> {
    const { containers } = await this.node.cri.runtime.ListContainers(
      newListContainersRequest(),
      this.node.ctx,
    );
    return containers;
  }
}
