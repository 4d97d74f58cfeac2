import fs from 'node:fs';
import { expect } from 'chai';
import { createCgroups } from '../../../src/host/cgroups.js';
import { backgroundContext } from '../../../src/base/call-context.js';
import {
  newImageSpec,
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newRemoveContainerRequest,
  newStopContainerRequest,
} from '../../../src/ports/cri/messages.js';
import type { ContainerConfig } from '../../../src/ports/cri/messages.js';
import { isV2 } from '../cgroup-version.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const script = (line: string): Partial<ContainerConfig> => ({ command: ['sh', '-c', line] });
/** Takes no notice of SIGTERM, and says when it has begun not to. */
const deaf = script('trap "" TERM; echo deaf; while :; do sleep 1000; done');
const farOff = '9223372036854775807';

describe('pods: the stop of a container (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
    sandbox = await pods.runPod();
  });
  after(() => node.dispose());

  const stop = (id: string, timeout: string, signal = node.ctx.signal) =>
    node.cri.runtime.StopContainer(newStopContainerRequest({ container_id: id, timeout }), {
      ...backgroundContext(),
      signal,
    });
  const groupOf = (id: string) => `${node.config.cgroupParent}/pod${sandbox}/${id}`;
  const cgroups = createCgroups();
  /** The container, once its shell has said that it is deaf. */
  const runDeaf = async (): Promise<string> => {
    const id = await pods.run(sandbox, deaf);
    await waitFor('deafness', async () => (await pods.logText(id)) === 'deaf');
    return id;
  };

  it('refuses a negative patience by the name of the field', async () => {
    const id = await pods.run(sandbox);
    const error = await failure(stop(id, '-1'));
    expect(error).to.include({ kind: 'invalid' });
    expect(error.message).to.match(/^timeout: /);
    expect((await pods.status(id)).state).to.equal('CONTAINER_RUNNING');
    await stop(id, '0');
  });

  it('is joined by a second call, which shortens the patience of the first', async () => {
    const id = await runDeaf();
    const patient = stop(id, farOff);
    const before = performance.now();
    await Promise.all([patient, stop(id, '1'), stop(id, farOff)]);
    expect(performance.now() - before).to.be.within(900, 60_000);
    expect(await pods.status(id)).to.include({ exit_code: 137, reason: 'Error' });
  });

  it('leaves a container running that outlives the patience of a caller who has gone', async () => {
    const id = await pods.run(
      sandbox,
      script('trap "echo told" TERM; echo deaf; while :; do sleep 0.1; done'),
    );
    await waitFor('the trap', async () => (await pods.logText(id)) === 'deaf');
    const gone = new AbortController();
    const call = failure(stop(id, farOff, gone.signal));
    await waitFor('the signal', async () => (await pods.logText(id)).includes('told'));
    gone.abort();
    expect(await call).to.include({ kind: 'canceled' });
    expect((await pods.status(id)).state).to.equal('CONTAINER_RUNNING');
    await stop(id, '0');
    expect((await pods.status(id)).state).to.equal('CONTAINER_EXITED');
  });

  it('ends one that somebody has frozen: by its signal, and by SIGKILL', async () => {
    const freeze = (id: string) =>
      isV2
        ? fs.writeFileSync(`/sys/fs/cgroup${groupOf(id)}/cgroup.freeze`, '1')
        : fs.writeFileSync(`/sys/fs/cgroup/freezer${groupOf(id)}/freezer.state`, 'FROZEN');
    const polite = await pods.run(
      sandbox,
      script('trap "exit 9" TERM; echo deaf; while :; do sleep 0.1; done'),
    );
    await waitFor('the trap', async () => (await pods.logText(polite)) === 'deaf');
    freeze(polite);
    await stop(polite, '30');
    expect((await pods.status(polite)).exit_code).to.equal(9);
    const hard = await runDeaf();
    freeze(hard);
    await stop(hard, '0');
    expect((await pods.status(hard)).exit_code).to.equal(137);
  });

  it('ends what process 1 left behind in the PID namespace of the pod', async () => {
    const id = await pods.run(sandbox, script('trap "" TERM; (sleep 1000 & sleep 1001 &) ; exec sleep 1002'));
    await waitFor('three processes', async () => (await cgroups.pids(groupOf(id))).length === 3);
    await stop(id, '1');
    expect(await cgroups.pids(groupOf(id))).to.deep.equal([]);
  });

  it('leaves a created container as it is', async () => {
    const id = await pods.create(sandbox);
    await stop(id, '1');
    expect((await pods.status(id)).state).to.equal('CONTAINER_CREATED');
  });

  it('gives way to a removal, which kills all of it', async () => {
    const id = await runDeaf();
    const patient = stop(id, farOff);
    await node.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), node.ctx);
    await patient;
    expect(await failure(pods.status(id))).to.include({ kind: 'not-found' });
    expect(await cgroups.pids(groupOf(id))).to.deep.equal([]);
  });

  it("tells the signal that is in force: the request's, the image's, or SIGTERM", async () => {
    const image = newImageSpec({ image: await node.image({ stopSignal: 'RTMIN+3' }) });
    const told = async (set: Partial<ContainerConfig>) =>
      (await pods.status(await pods.create(sandbox, set))).stop_signal;
    expect(await told({})).to.equal('SIGTERM');
    expect(await told({ image })).to.equal('SIGRTMINPLUS3');
    expect(await told({ image, stop_signal: 'SIGUSR2' })).to.equal('SIGUSR2');
  });

  describe('after an OOM kill', () => {
    const narrow = (line: string): Partial<ContainerConfig> => ({
      ...script(line),
      linux: newLinuxContainerConfig({
        resources: newLinuxContainerResources({ memory_limit_in_bytes: String(15 << 20) }),
      }),
    });

    it('tells of it where process 1 was killed, or a shell passes it on', async () => {
      const hungry = 'dd if=/dev/zero of=/dev/null bs=20M';
      for (const line of [`exec ${hungry}`, `${hungry}; exit $?`]) {
        const id = await pods.run(sandbox, narrow(line));
        expect(await pods.exited(id), line).to.include({ exit_code: 137, reason: 'OOMKilled' });
      }
    });

    it('does not blame the kernel where process 1 lived on', async () => {
      const line = 'dd if=/dev/zero of=/dev/null bs=20M; echo lived on; exit 3';
      const id = await pods.run(sandbox, narrow(line));
      expect(await pods.exited(id)).to.include({ exit_code: 3, reason: 'Error' });
      expect(await pods.logText(id)).to.contain('lived on');
      const stopped = await pods.run(sandbox, narrow(line.replace('exit 3', 'exec sleep 1000')));
      await waitFor('the OOM kill', async () => (await pods.logText(stopped)).includes('lived on'));
      await stop(stopped, '0');
      expect(await pods.status(stopped)).to.include({ exit_code: 137, reason: 'Error' });
    });
  });
});
