import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../../src/base/call-context.js';
import {
  newImageSpec,
  newImageStatusRequest,
  newListPodSandboxRequest,
  newPodSandboxFilter,
  newPodSandboxMetadata,
  newPodSandboxStateValue,
  newPodSandboxStatusRequest,
  newRemoveImageRequest,
  newRemovePodSandboxRequest,
  newRunPodSandboxRequest,
  newStatusRequest,
  newStopPodSandboxRequest,
  newVersionRequest,
} from '../../../src/ports/cri/messages.js';
import type { PodSandboxFilter } from '../../../src/ports/cri/messages.js';
import { leftovers } from '../leftovers.js';
import { PodClient, failure, podConfig } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { testRegistry } from '../test-registry.js';

describe('pods: the life of a sandbox (real parts)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  afterEach(() => pods.removeAll());
  after(() => node.dispose());

  const stop = (id: string) =>
    node.cri.runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: id }), node.ctx);
  const remove = (id: string) =>
    node.cri.runtime.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: id }), node.ctx);
  const list = async (filter: Partial<PodSandboxFilter>) => {
    const request = newListPodSandboxRequest({ filter: newPodSandboxFilter(filter) });
    return (await node.cri.runtime.ListPodSandbox(request, node.ctx)).items.map(({ id }) => id);
  };

  it('is ready, then stopped, then gone; stopping and removing again succeed', async () => {
    const sandbox = await pods.runPod({ labels: { app: 'x' }, annotations: { note: 'y' } });
    const id = await pods.run(sandbox);
    const config = pods.podConfigOf(sandbox);
    const ready = await pods.podStatus(sandbox);
    expect(ready).to.deep.include({
      id: sandbox,
      state: 'SANDBOX_READY',
      metadata: config.metadata,
      labels: { app: 'x' },
      annotations: { note: 'y' },
      runtime_handler: '',
    });
    expect(Number(ready.created_at) / 1e6).to.be.closeTo(Date.now(), 60_000);
    await stop(sandbox);
    const stopped = await pods.podStatus(sandbox);
    expect(stopped.state).to.equal('SANDBOX_NOTREADY');
    expect((await pods.status(id)).state).to.equal('CONTAINER_EXITED');
    expect((await pods.status(id)).exit_code).to.equal(137);
    expect(await failure(pods.create(sandbox))).to.include({ kind: 'wrong-state' });
    await stop(sandbox);
    await remove(sandbox);
    expect(await failure(pods.podStatus(sandbox))).to.include({ kind: 'not-found' });
    expect(await failure(pods.status(id))).to.include({ kind: 'not-found' });
    await stop(sandbox);
    await remove(sandbox);
  });

  it('is removed while it is ready, with its running containers', async () => {
    const sandbox = await pods.runPod();
    await pods.run(sandbox);
    await pods.create(sandbox);
    await remove(sandbox);
    const left = (await leftovers(node.config)).filter((line) => line.includes(sandbox));
    expect(left).to.deep.equal([]);
  });

  it('is listed by id prefix, state and labels', async () => {
    const a = await pods.runPod({ labels: { app: 'listed', tier: 'front' } });
    const b = await pods.runPod({ labels: { app: 'listed' } });
    await stop(b);
    const label_selector = { app: 'listed' };
    const state = (name: 'SANDBOX_READY' | 'SANDBOX_NOTREADY') => newPodSandboxStateValue({ state: name });
    expect(await list({ label_selector })).to.have.members([a, b]);
    expect(await list({ label_selector, state: state('SANDBOX_READY') })).to.deep.equal([a]);
    expect(await list({ label_selector, state: state('SANDBOX_NOTREADY') })).to.deep.equal([b]);
    expect(await list({ label_selector: { tier: 'front' } })).to.deep.equal([a]);
    expect(await list({ id: a.slice(0, 13) })).to.deep.equal([a]);
    expect(await list({ id: a, label_selector: { tier: 'back' } })).to.deep.equal([]);
    expect((await pods.podStatus(a.slice(0, 13))).id).to.equal(a);
  });

  it('reserves its name by name, namespace, uid and attempt until it is removed', async () => {
    const metadata = newPodSandboxMetadata({ name: 'n', namespace: 'ns', uid: 'u1' });
    const first = await pods.runPod({ metadata });
    const twice = await failure(pods.runPod({ metadata }));
    expect(twice).to.include({ kind: 'exists' });
    expect(twice.message)
      .to.match(/^config\.metadata: /)
      .and.contain(first);
    await pods.runPod({ metadata: { ...metadata, attempt: 1 } });
    await stop(first);
    expect(await failure(pods.runPod({ metadata }))).to.include({ kind: 'exists' });
    await pods.removePod(first);
    await pods.runPod({ metadata });
  });

  it('joins retries of a request that is still being worked on', async () => {
    const config = podConfig();
    const request = newRunPodSandboxRequest({ config });
    const answers = await Promise.all([1, 2, 3].map(() => node.cri.runtime.RunPodSandbox(request, node.ctx)));
    const ids = new Set(answers.map(({ pod_sandbox_id }) => pod_sandbox_id));
    expect(ids.size).to.equal(1);
    for (const id of ids) await remove(id);
  });

  it('answers a retry that joined a request whose own caller has gone', async () => {
    const request = newRunPodSandboxRequest({ config: podConfig() });
    const impatient = new AbortController();
    const first = failure(
      node.cri.runtime.RunPodSandbox(request, backgroundContext(silentLog, impatient.signal)),
    );
    const retry = node.cri.runtime.RunPodSandbox(request, node.ctx);
    // Behind both on the same connection: once it is answered, they are being worked on.
    await node.cri.runtime.Version(newVersionRequest(), node.ctx);
    impatient.abort();
    const { pod_sandbox_id: id } = await retry;
    await first;
    expect((await pods.podStatus(id)).state).to.equal('SANDBOX_READY');
    await remove(id);
  });

  it('is refused with nothing left behind: no config, no metadata, an unknown handler', async () => {
    const before = await leftovers(node.config);
    const run = (set: object) =>
      failure(node.cri.runtime.RunPodSandbox(newRunPodSandboxRequest(set), node.ctx));
    const cases: [set: object, kind: string, message: RegExp][] = [
      [{}, 'invalid', /^config: /],
      [{ config: podConfig({ metadata: null }) }, 'invalid', /^config\.metadata: is missing/],
      [
        { config: podConfig(), runtime_handler: 'kata' },
        'not-found',
        /^runtime_handler: .*"kata".*crun, runc/,
      ],
    ];
    for (const [set, kind, message] of cases) {
      const error = await run(set);
      expect(error).to.include({ kind });
      expect(error.message).to.match(message);
    }
    expect(await leftovers(node.config)).to.deep.equal(before);
  });

  it('is not ready any more once its infra container has been killed from outside', async () => {
    const sandbox = await pods.runPod();
    const request = newPodSandboxStatusRequest({ pod_sandbox_id: sandbox, verbose: true });
    const { info } = await node.cri.runtime.PodSandboxStatus(request, node.ctx);
    process.kill((JSON.parse(info['info'] ?? '') as { pid: number }).pid, 'SIGKILL');
    await waitFor(
      'NOTREADY',
      async () => (await pods.podStatus(sandbox)).state === 'SANDBOX_NOTREADY',
      3_000,
    );
    expect(await list({ id: sandbox, state: newPodSandboxStateValue({ state: 'SANDBOX_READY' }) })).to.be
      .empty;
    expect(await failure(pods.create(sandbox))).to.include({ kind: 'wrong-state' });
  });

  it('tells its handlers and its readiness to a kubelet', async () => {
    const { status, runtime_handlers } = await node.cri.runtime.Status(newStatusRequest(), node.ctx);
    expect(status?.conditions.map(({ type, status: holds }) => [type, holds])).to.deep.equal([
      ['RuntimeReady', true],
      ['NetworkReady', true],
    ]);
    expect(runtime_handlers.map(({ name }) => name)).to.deep.equal(['', 'crun', 'runc']);
  });
});

describe('pods: a configured pause image (real registry)', () => {
  it('replaces the embedded one, is pulled at first use and can not be removed', async () => {
    const image = await (await testRegistry()).push({ cmd: ['sleep', '2000000'] });
    const node = await startRealNode({ config: { pauseImage: image } });
    try {
      const pods = await PodClient.on(node);
      const id = await pods.run(await pods.runPod());
      expect(await pods.shell(id, 'ps -o pid,args')).to.match(/^ *1 sleep 2000000$/m);
      const spec = newImageSpec({ image });
      const { image: found } = await node.cri.images.ImageStatus(
        newImageStatusRequest({ image: spec }),
        node.ctx,
      );
      expect(found?.pinned).to.equal(true);
      const refused = await failure(
        node.cri.images.RemoveImage(newRemoveImageRequest({ image: spec }), node.ctx),
      );
      expect(refused.message).to.contain('pinned');
    } finally {
      await node.dispose();
    }
  });
});
