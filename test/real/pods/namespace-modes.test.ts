import fs from 'node:fs';
import { expect } from 'chai';
import { newStopContainerRequest } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { podWith } from './pod-with.js';

describe('pods: namespaces as a container asks for them (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  afterEach(() => pods.removeAll());
  after(() => node.dispose());

  const ns = (id: string, name: string) => pods.shell(id, `readlink /proc/self/ns/${name}`);
  const stop = (id: string, timeout = '20') =>
    node.cri.runtime.StopContainer(newStopContainerRequest({ container_id: id, timeout }), node.ctx);
  const hostNs = (name: string) => fs.readlinkSync(`/proc/self/ns/${name}`);

  describe('a container that joins the PID namespace of another', () => {
    const joining = (target_id: string) => podWith({ pid: 'TARGET', target_id }).container;
    const field = 'config.linux.security_context.namespace_options.target_id';
    const own = podWith({ pid: 'CONTAINER' });

    it('sees the processes of that one alone, which stays process 1', async () => {
      const sandbox = await pods.runPod(own.pod);
      const target = await pods.run(sandbox, { command: ['sleep', '4711'], ...own.container });
      await pods.run(sandbox, { command: ['sleep', '4712'], ...own.container });
      const debug = await pods.run(sandbox, { command: ['sleep', '4713'], ...joining(target) });
      expect(await ns(debug, 'pid')).to.equal(await ns(target, 'pid'));
      const first = () => pods.shell(debug, 'cat /proc/1/cmdline | tr "\\0" " "');
      await waitFor('the target as process 1', async () => (await first()) === 'sleep 4711 ');
      await waitFor('itself', async () => (await pods.shell(debug, 'ps -o args')).includes('sleep 4713'));
      expect(await pods.shell(debug, 'ps -o args')).not.to.contain('sleep 4712');
      await stop(debug, '0');
      expect((await pods.status(target)).state).to.equal('CONTAINER_RUNNING');
    });

    it('is refused where that one is not there, of another pod, or not running', async () => {
      const sandbox = await pods.runPod(own.pod);
      const elsewhere = await pods.run(await pods.runPod(own.pod), own.container);
      const created = await pods.create(sandbox, own.container);
      const kinds = [
        ['no-such-container', 'not-found'],
        [elsewhere, 'not-found'],
        [created, 'wrong-state'],
      ] as const;
      for (const [target, kind] of kinds) {
        const refused = await failure(pods.create(sandbox, joining(target)));
        expect(refused).to.include({ kind });
        expect(refused.message.startsWith(`${field}: `), refused.message).to.equal(true);
      }
    });

    it('does not start once that one has ended', async () => {
      const sandbox = await pods.runPod(own.pod);
      const target = await pods.run(sandbox, own.container);
      const debug = await pods.create(sandbox, joining(target));
      await stop(target, '0');
      const refused = await failure(pods.start(debug));
      expect(refused).to.include({ kind: 'wrong-state' });
      expect(refused.message.startsWith(`${field}: `), refused.message).to.equal(true);
    });
  });

  for (const pid of ['POD', 'CONTAINER', 'NODE'] as const) {
    it(`end all processes of a stopped container, of no other, with pid ${pid}`, async () => {
      const modes = podWith({ pid });
      const sandbox = await pods.runPod(modes.pod);
      const other = await pods.run(sandbox, modes.container);
      const command = ['sh', '-c', '(sleep 1000001 &); sleep 1000002 & trap "exit 5" TERM; wait'];
      const id = await pods.run(sandbox, { command, ...modes.container });
      const group = `/sys/fs/cgroup/memory${node.config.cgroupParent}/pod${sandbox}/${id}/cgroup.procs`;
      const left = () => (fs.existsSync(group) ? fs.readFileSync(group, 'utf8').trim().split('\n') : []);
      await waitFor('its three processes', () => left().length === 3);
      const pids = left();
      expect(await pods.shell(id, 'echo $((6 * 7))')).to.equal('42');
      await stop(id);
      expect(await pods.status(id)).to.include({ state: 'CONTAINER_EXITED', exit_code: 5 });
      await waitFor('the end of all', () => left().length === 0);
      const commands = pids.map((one) =>
        fs.existsSync(`/proc/${one}`) ? fs.readFileSync(`/proc/${one}/cmdline`, 'utf8') : '',
      );
      expect(commands.filter((line) => line.includes('100000'))).to.deep.equal([]);
      expect((await pods.status(other)).state).to.equal('CONTAINER_RUNNING');
    });
  }

  it('are its own where a container asks for them: IPC with /dev/shm, and a network of loopback alone', async () => {
    const sandbox = await pods.runPod();
    const shared = await pods.run(sandbox);
    const { container } = podWith({ ipc: 'CONTAINER', network: 'CONTAINER' });
    const apart = await pods.run(sandbox, container);
    for (const name of ['ipc', 'net']) {
      expect([await ns(shared, name), hostNs(name)], name).not.to.include(await ns(apart, name));
    }
    await pods.shell(shared, 'echo x > /dev/shm/x');
    expect(await pods.shell(apart, 'ls /dev/shm; cut -d: -f1 /proc/net/dev | tail -n +3')).to.match(/^ *lo$/);
    expect(await ns(apart, 'uts')).to.equal(await ns(shared, 'uts'));
  });

  it('are told as they were asked for', async () => {
    const { pod } = podWith({ pid: 'CONTAINER', ipc: 'NODE', network: 'NODE' });
    const status = await pods.podStatus(await pods.runPod(pod));
    expect(status.linux?.namespaces?.options).to.include({ pid: 'CONTAINER', ipc: 'NODE', network: 'NODE' });
  });
});
