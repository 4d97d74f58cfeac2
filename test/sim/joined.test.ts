import { expect } from 'chai';
import { backgroundContext } from '../../src/base/call-context.js';
import {
  newCreateContainerRequest,
  newRemoveContainerRequest,
  newRemovePodSandboxRequest,
  newRunPodSandboxRequest,
  newStartContainerRequest,
  newStopContainerRequest,
  newStopPodSandboxRequest,
} from '../../src/ports/cri/messages.js';
import { expectAsBefore, idleWorld } from './node/checks.js';
import type { PodScript } from './node/pod-script.js';
import { containerConfig, sandboxConfig } from './node/pod-script.js';

const script: PodScript = { name: 'web', network: 'bridge', hostPort: 8080, restarts: false };
const ctx = backgroundContext();

describe('sim: calls for what is under way', () => {
  it('are joined, all through the life of a pod', async () => {
    const { world, before } = await idleWorld(1);
    const { cri } = world;
    /** The same call three times at once; gives the one answer. */
    const thrice = async <T>(call: () => Promise<T>): Promise<T> => {
      const outcome = await world.run(() => Promise.all([call(), call(), call()]));
      if (outcome.end !== 'done') throw new Error('a call was not joined', { cause: outcome });
      const [one, ...others] = outcome.value;
      for (const other of others) expect(other).to.deep.equal(one);
      return one;
    };
    const config = sandboxConfig(script);
    const { pod_sandbox_id } = await thrice(() =>
      cri.RunPodSandbox(newRunPodSandboxRequest({ config: structuredClone(config) }), ctx),
    );
    const { container_id } = await thrice(() =>
      cri.CreateContainer(
        newCreateContainerRequest({
          pod_sandbox_id,
          config: containerConfig('main', script),
          sandbox_config: config,
        }),
        ctx,
      ),
    );
    await thrice(() => cri.StartContainer(newStartContainerRequest({ container_id }), ctx));
    await thrice(() => cri.StopContainer(newStopContainerRequest({ container_id, timeout: '5' }), ctx));
    await thrice(() => cri.RemoveContainer(newRemoveContainerRequest({ container_id }), ctx));
    await thrice(() => cri.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id }), ctx));
    await thrice(() => cri.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id }), ctx));
    await expectAsBefore(world, before, 'after the pod was removed');
  });

  it('are refused for another config under the same name, while it is made and after', async () => {
    const { world } = await idleWorld(1);
    const { cri } = world;
    const config = sandboxConfig(script);
    const other = { ...config, hostname: 'other' };
    const settled = (requests: (typeof config)[]) =>
      world.run(() =>
        Promise.allSettled(
          requests.map((each) => cri.RunPodSandbox(newRunPodSandboxRequest({ config: each }), ctx)),
        ),
      );
    const during = await settled([config, other, config]);
    if (during.end !== 'done') throw new Error('the node failed', { cause: during });
    expect(during.value.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    expect(during.value[1]).to.have.nested.property('reason.kind', 'exists');
    expect(during.value[1]).to.have.nested.property('reason.message').that.includes('is being made');
    const after = await settled([other]);
    if (after.end !== 'done') throw new Error('the node failed', { cause: after });
    expect(after.value[0]).to.have.nested.property('reason.kind', 'exists');
  });

  it("are refused where the request's sandbox config is another pod's", async () => {
    const { world } = await idleWorld(1);
    const config = sandboxConfig(script);
    const ran = await world.run(() => world.cri.RunPodSandbox(newRunPodSandboxRequest({ config }), ctx));
    if (ran.end !== 'done') throw new Error('the node failed', { cause: ran });
    const create = (sandbox_config: typeof config | null) =>
      world.run(() =>
        world.cri.CreateContainer(
          newCreateContainerRequest({
            ...ran.value,
            config: containerConfig('main', script),
            sandbox_config,
          }),
          ctx,
        ),
      );
    for (const part of ['name', 'namespace', 'uid'] as const) {
      const metadata = { ...config.metadata, [part]: 'another' } as typeof config.metadata;
      expect(await create({ ...config, metadata }), part).to.nested.include({
        end: 'failed',
        'error.kind': 'invalid',
        'error.field': `sandbox_config.metadata.${part}`,
      });
    }
    expect((await create(null)).end).to.equal('done');
  });
});
