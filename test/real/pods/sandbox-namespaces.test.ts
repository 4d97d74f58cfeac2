import fs from 'node:fs';
import { expect } from 'chai';
import { createCgroups } from '../../../src/host/cgroups.js';
import {
  newInt64Value,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newPodSandboxStatusRequest,
  newSecurityProfile,
} from '../../../src/ports/cri/messages.js';
import { PodClient } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { podWith } from './pod-with.js';

describe('pods: the namespaces and groups of a sandbox (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  afterEach(() => pods.removeAll());
  after(() => node.dispose());

  const ns = (id: string, name: string) => pods.shell(id, `readlink /proc/self/ns/${name}`);
  const hostNs = (name: string) => fs.readlinkSync(`/proc/self/ns/${name}`);
  const infraPid = async (sandbox: string) => {
    const request = newPodSandboxStatusRequest({ pod_sandbox_id: sandbox, verbose: true });
    const { info } = await node.cri.runtime.PodSandboxStatus(request, node.ctx);
    return (JSON.parse(info['info'] ?? '{}') as { pid: number }).pid;
  };

  it('are shared by its containers: IPC, UTS, network and /dev/shm; each has its own mounts', async () => {
    const sandbox = await pods.runPod();
    const [one, two] = [await pods.run(sandbox), await pods.run(sandbox)];
    for (const name of ['ipc', 'uts', 'net']) {
      expect(await ns(one, name), name)
        .to.equal(await ns(two, name))
        .and.not.equal(hostNs(name));
    }
    expect(await ns(one, 'mnt')).not.to.equal(await ns(two, 'mnt'));
    await pods.shell(one, 'echo shared > /dev/shm/x; echo own > /tmp/x');
    expect(await pods.shell(two, 'cat /dev/shm/x; ls /tmp')).to.equal('shared');
  });

  it('have one PID namespace for the pod, one for each container, or the host’s', async () => {
    const shared = await pods.runPod();
    const [one, two] = [await pods.run(shared), await pods.run(shared)];
    expect(await ns(one, 'pid')).to.equal(await ns(two, 'pid'));
    expect(await pods.shell(one, 'ps -o args | grep -c "^sleep 1000000"')).to.equal('2');
    expect(await pods.shell(one, 'ps -o pid,args | grep "^ *1 "')).to.contain('pause');
    const own = podWith({ pid: 'CONTAINER' });
    const apart = await pods.run(await pods.runPod(own.pod), own.container);
    const first = () => pods.shell(apart, 'cat /proc/1/cmdline | tr "\\0" " "');
    await waitFor('the command as process 1', async () => (await first()) === 'sleep 1000000 ');
    const host = podWith({ pid: 'NODE' });
    const open = await pods.run(await pods.runPod(host.pod), host.container);
    expect(await ns(open, 'pid')).to.equal(hostNs('pid'));
  });

  it("have the host's IPC where asked, with its /dev/shm", async () => {
    const host = podWith({ ipc: 'NODE' });
    const id = await pods.run(await pods.runPod(host.pod), host.container);
    expect(await ns(id, 'ipc')).to.equal(hostNs('ipc'));
  });

  it('leave no zombies: the infra container reaps orphans of a shared PID namespace', async () => {
    const sandbox = await pods.runPod();
    const id = await pods.run(sandbox, { command: ['sh', '-c', '(sleep 0.1 &) ; exec sleep 1000'] });
    await waitFor(
      'no orphan, dead or alive',
      async () => !(await pods.shell(id, 'ps -o stat,args')).includes('sleep 0.1'),
    );
    expect(await pods.shell(id, 'ps -o stat,args | grep "^Z.*sleep" || true')).to.equal('');
  });

  it("run the infra container as the sandbox's user, filtered by seccomp where asked, and without any right", async () => {
    const security_context = newLinuxSandboxSecurityContext({
      run_as_user: newInt64Value({ value: '4711' }),
      run_as_group: newInt64Value({ value: '4712' }),
      supplemental_groups: ['9', '4712'],
      seccomp: newSecurityProfile({ profile_type: 'RuntimeDefault' }),
    });
    const sandbox = await pods.runPod({ linux: newLinuxPodSandboxConfig({ security_context }) });
    const status = fs.readFileSync(`/proc/${await infraPid(sandbox)}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\w+)`, 'm').exec(status)?.[1];
    expect(['Uid', 'Gid', 'CapBnd', 'NoNewPrivs', 'Seccomp'].map(field)).to.deep.equal([
      '4711',
      '4712',
      '0000000000000000',
      '1',
      '2',
    ]);
    expect(/^Groups:\s*(.*?) *$/m.exec(status)?.[1]).to.equal('9 4712');
  });

  describe('cgroups', () => {
    const groupOf = (pid: number | string) =>
      /^\d+:memory:(.*)$/m.exec(fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
    const exists = (group: string) => fs.existsSync(`/sys/fs/cgroup/memory${group}`);

    it("are the pod's own below nodelet's, and go with it", async () => {
      const sandbox = await pods.runPod();
      const group = `${node.config.cgroupParent}/pod${sandbox}`;
      expect(groupOf(await infraPid(sandbox))).to.equal(`${group}/${sandbox}`);
      await pods.removePod(sandbox);
      expect(exists(group)).to.equal(false);
    });

    it("that a kubelet made are used and left to it, one that nobody made is nodelet's to remove", async () => {
      const theirs = `${node.config.cgroupParent}/kubepods-${process.pid}`;
      for (const cgroup_parent of [theirs, `${node.config.cgroupParent}/new-${process.pid}/inner`]) {
        const made = cgroup_parent === theirs;
        if (made) await createCgroups().create(theirs);
        const sandbox = await pods.runPod({ linux: newLinuxPodSandboxConfig({ cgroup_parent }) });
        const id = await pods.run(sandbox);
        expect(groupOf(await infraPid(sandbox))).to.equal(`${cgroup_parent}/${sandbox}`);
        expect(exists(`${cgroup_parent}/${id}`)).to.equal(true);
        await pods.removePod(sandbox);
        expect(exists(`${cgroup_parent}/${id}`)).to.equal(false);
        expect(exists(cgroup_parent), cgroup_parent).to.equal(made);
      }
    });
  });
});
