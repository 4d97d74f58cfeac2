import { expect } from 'chai';
import {
  newContainerMetadata,
  newContainerStatusRequest,
  newListContainersRequest,
  newListPodSandboxRequest,
  newPodSandboxFilter,
  newPodSandboxMetadata,
  newPodSandboxStatusRequest,
  newRemoveContainerRequest,
  newRemovePodSandboxRequest,
  newStartContainerRequest,
  newStopContainerRequest,
  newStopPodSandboxRequest,
} from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode } from '../real-node.js';

describe('pods: names, ids and lists (real containers)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  afterEach(() => pods.removeAll());
  after(() => node.dispose());

  const listed = async (filter = newPodSandboxFilter()) =>
    (await node.cri.runtime.ListPodSandbox(newListPodSandboxRequest({ filter }), node.ctx)).items;

  it('keep names, labels and annotations to the letter, odd and large ones too', async () => {
    const odd = '"ü/..%:\\ \u2028\n\t$(id)';
    const labels = { 'example.com/a': odd, [odd]: '', large: 'x'.repeat(200_000) };
    const annotations = { ...labels, json: JSON.stringify({ a: [1, null] }) };
    const metadata = newPodSandboxMetadata({ name: odd, namespace: odd, uid: odd, attempt: 4_294_967_295 });
    const sandbox = await pods.runPod({ metadata, hostname: '', labels, annotations });
    const status = await pods.podStatus(sandbox);
    expect([status.metadata, status.labels, status.annotations]).to.deep.equal([
      metadata,
      labels,
      annotations,
    ]);
    const [item] = await listed(newPodSandboxFilter({ label_selector: labels }));
    expect(item).to.deep.include({ id: sandbox, metadata, labels, annotations });
    const named = newContainerMetadata({ name: odd, attempt: 7 });
    const id = await pods.run(sandbox, { metadata: named, labels, annotations, log_path: '' });
    const container = await pods.status(id);
    expect([container.metadata, container.labels, container.annotations]).to.deep.equal([
      named,
      labels,
      annotations,
    ]);
  });

  it('list what was made last first, also after a restart', async () => {
    const sandboxes: string[] = [];
    for (let count = 0; count < 4; count++) sandboxes.unshift(await pods.runPod());
    const containers: string[] = [];
    for (const sandbox of sandboxes) containers.unshift(await pods.create(sandbox));
    const lists = async () => [
      (await listed()).map(({ id }) => id),
      (await node.cri.runtime.ListContainers(newListContainersRequest(), node.ctx)).containers.map(
        ({ id }) => id,
      ),
    ];
    expect(await lists()).to.deep.equal([sandboxes, containers]);
    await node.stop();
    await node.start();
    expect(await lists()).to.deep.equal([sandboxes, containers]);
  });

  it('find by a part of an id what it fits alone; an empty id or one that fits several is refused by field', async () => {
    const { runtime } = node.cri;
    const ids: string[] = [];
    // Until two begin alike: by the 17th at the latest.
    while (new Set(ids.map((id) => id[0])).size === ids.length) ids.push(await pods.runPod());
    const prefix = ids.at(-1)?.[0] ?? '';
    const calls: [field: string, call: (id: string) => Promise<unknown>][] = [
      [
        'pod_sandbox_id',
        (id) => runtime.PodSandboxStatus(newPodSandboxStatusRequest({ pod_sandbox_id: id }), node.ctx),
      ],
      [
        'pod_sandbox_id',
        (id) => runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: id }), node.ctx),
      ],
      [
        'pod_sandbox_id',
        (id) => runtime.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: id }), node.ctx),
      ],
    ];
    for (const [field, call] of calls) {
      for (const [given, message] of [
        [prefix, 'fits 2'],
        ['', 'empty'],
      ] as const) {
        const error = await failure(call(given));
        expect(error).to.include({ kind: 'invalid' });
        expect(error.message).to.include(`${field}: `).and.include(message);
      }
    }
    expect((await listed()).every(({ state }) => state === 'SANDBOX_READY')).to.equal(true);
    const ofContainers: ((container_id: string) => Promise<unknown>)[] = [
      (container_id) => runtime.ContainerStatus(newContainerStatusRequest({ container_id }), node.ctx),
      (container_id) => runtime.StartContainer(newStartContainerRequest({ container_id }), node.ctx),
      (container_id) => runtime.StopContainer(newStopContainerRequest({ container_id }), node.ctx),
      (container_id) => runtime.RemoveContainer(newRemoveContainerRequest({ container_id }), node.ctx),
    ];
    for (const call of ofContainers) {
      const error = await failure(call(''));
      expect(error).to.include({ kind: 'invalid' });
      expect(error.message).to.include('container_id: ');
    }
  });

  it('of what is not there: not found for status and start, success for stop and remove', async () => {
    const { runtime } = node.cri;
    const [pod_sandbox_id, container_id] = ['f'.repeat(64), 'e'.repeat(64)];
    for (const call of [
      runtime.PodSandboxStatus(newPodSandboxStatusRequest({ pod_sandbox_id }), node.ctx),
      runtime.ContainerStatus(newContainerStatusRequest({ container_id }), node.ctx),
      runtime.StartContainer(newStartContainerRequest({ container_id }), node.ctx),
    ]) {
      expect(await failure(call)).to.include({ kind: 'not-found' });
    }
    await runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id }), node.ctx);
    await runtime.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id }), node.ctx);
    await runtime.StopContainer(newStopContainerRequest({ container_id }), node.ctx);
    await runtime.RemoveContainer(newRemoveContainerRequest({ container_id }), node.ctx);
  });
});
