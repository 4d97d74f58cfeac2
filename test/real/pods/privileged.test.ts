import fs from 'node:fs';
import { expect } from 'chai';
import {
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newSecurityProfile,
} from '../../../src/ports/cri/messages.js';
import type { LinuxContainerSecurityContext } from '../../../src/ports/cri/messages.js';
import { PodClient, failure, secured, statusFields } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

type Asked = Partial<LinuxContainerSecurityContext>;
/** What kubelets send with every container that isn't privileged. */
const paths = { masked_paths: ['/proc/kcore', '/proc/timer_list'], readonly_paths: ['/proc/sys'] };

for (const handler of ['crun', 'runc']) {
  describe(`pods: a privileged container (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    let privileged = '';
    let plain = '';
    before(async () => {
      node = await startRealNode();
      pods = await PodClient.on(node);
      const security_context = newLinuxSandboxSecurityContext({ privileged: true });
      sandbox = await pods.runPod({ linux: newLinuxPodSandboxConfig({ security_context }) }, handler);
      const seccomp = newSecurityProfile({ profile_type: 'RuntimeDefault' });
      const apparmor = newSecurityProfile({ profile_type: 'Localhost', localhost_ref: 'absent' });
      privileged = await pods.run(sandbox, secured({ privileged: true, seccomp, apparmor, ...paths }));
      plain = await pods.run(sandbox, secured(paths));
    });
    after(() => node.dispose());

    const succeeds = async (id: string, ...cmd: string[]) => (await pods.exec(id, ...cmd)).exitCode === 0;

    it('is refused in a sandbox that is not', async () => {
      const other = await pods.runPod({}, handler);
      const error = await failure(pods.create(other, secured({ privileged: true })));
      expect(error).to.include({ kind: 'invalid' });
      expect(error.message).to.match(/security_context\.privileged: the sandbox is not privileged/);
      expect(await pods.containersOf(other)).to.deep.equal([]);
    });
    it('comes to a pod whose config says it by now, as when the kubelet adds a debug container', async () => {
      const other = await pods.runPod({}, handler);
      const security_context = newLinuxSandboxSecurityContext({ privileged: true });
      pods.renew(other, { linux: newLinuxPodSandboxConfig({ security_context }) });
      const own = statusFields(fs.readFileSync('/proc/self/status', 'utf8'))['CapEff'];
      const debug = await pods.run(other, secured({ privileged: true }));
      expect((await pods.processStatus(debug))['CapEff']).to.equal(own);
    });
    it('manages the network, which another may not', async () => {
      expect(await succeeds(plain, 'brctl', 'addbr', 'foobar')).to.equal(false);
      expect(await succeeds(privileged, 'brctl', 'addbr', 'foobar')).to.equal(true);
    });
    it('has every capability of the node, unfiltered, execs too', async () => {
      const own = statusFields(fs.readFileSync('/proc/self/status', 'utf8'))['CapEff'];
      const inside = statusFields(await pods.shell(privileged, 'cat /proc/self/status'));
      for (const status of [inside, await pods.processStatus(privileged)]) {
        expect([status['CapEff'], status['CapBnd'], status['Seccomp']]).to.deep.equal([own, own, '0']);
      }
    });
    it('uses devices of the host, which another may not even when it makes their files', async () => {
      // /dev/kmsg: a device that every machine has and that no container is given.
      await pods.shell(plain, 'mknod /tmp/kmsg c 1 11');
      expect(await succeeds(plain, 'sh', '-c', ': < /tmp/kmsg')).to.equal(false);
      expect(await succeeds(privileged, 'sh', '-c', ': < /dev/kmsg')).to.equal(true);
    });
    it('has /sys, /proc/sys and its cgroups to write, which another has to read', async () => {
      const writable = async (id: string, place: string) =>
        (await pods.shell(id, `grep " ${place} " /proc/mounts`))
          .split('\n')
          .at(-1)
          ?.split(' ')[3]
          ?.startsWith('rw');
      const memory = (await pods.shell(privileged, 'grep cgroup /proc/mounts'))
        .split('\n')
        .at(-1)
        ?.split(' ')[1];
      for (const place of ['/sys', memory ?? '']) {
        expect(await writable(privileged, place), place).to.equal(true);
        expect(await writable(plain, place), place).to.equal(false);
      }
      const hostname = 'cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname';
      expect(await succeeds(privileged, 'sh', '-c', hostname)).to.equal(true);
      expect(await succeeds(plain, 'sh', '-c', hostname)).to.equal(false);
    });
    it('sees what is masked from another', async () => {
      expect((await pods.exec(plain, 'head', '-c', '9', '/proc/timer_list')).stdout).to.equal('');
      expect((await pods.exec(privileged, 'head', '-c', '9', '/proc/timer_list')).stdout).not.to.equal('');
    });
  });

  describe(`pods: paths of a container (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    before(async () => {
      node = await startRealNode();
      pods = await PodClient.on(node);
      sandbox = await pods.runPod({}, handler);
    });
    after(() => node.dispose());
    const run = (set: Asked) => pods.run(sandbox, secured(set));

    it('that are masked can’t be read, files and folders; those not named can', async () => {
      const id = await run({ masked_paths: ['/etc/passwd', '/var', '/not/there'] });
      expect((await pods.exec(id, 'cat', '/etc/passwd')).stdout).to.equal('');
      expect(await pods.shell(id, 'ls /var')).to.equal('');
      expect(await pods.shell(await run({}), 'cat /etc/passwd; ls /var')).to.match(/^root:[^]*www$/);
    });
    it('that are read-only can’t be written; those not named can', async () => {
      const line = 'echo x > /tmp/file && echo 0 > /proc/sys/kernel/msgmni';
      const kernel = await pods.exec(
        await run({ readonly_paths: ['/proc/sys', '/tmp', '/not/there'] }),
        'sh',
        '-c',
        line,
      );
      expect(kernel.stderr).to.match(/\/tmp\/file: Read-only file system/);
      const set = await pods.exec(await run({ readonly_paths: ['/proc/sys'] }), 'sh', '-c', line);
      expect(set.stderr).to.match(/msgmni: Read-only file system/);
      expect((await pods.exec(await run({}), 'sh', '-c', line)).stderr).not.to.match(/Read-only/);
    });
    it('are read-only altogether where the root is', async () => {
      const touch = async (readonly_rootfs: boolean) =>
        (await pods.exec(await run({ readonly_rootfs }), 'touch', 'test.go')).stderr;
      expect(await touch(true)).to.equal('touch: test.go: Read-only file system\n');
      expect(await touch(false)).to.equal('');
    });
  });
}
