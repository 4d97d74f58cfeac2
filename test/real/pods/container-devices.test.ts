import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { expect } from 'chai';
import {
  newDevice,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newMount,
} from '../../../src/ports/cri/messages.js';
import type { Device } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const withDevices = (...devices: Partial<Device>[]) => ({
  devices: devices.map((device) => newDevice(device)),
});
const full = ['c', '1', '7'];
/** Numbers kept for experiments, devices.txt: who may open such a file is told that no driver is there. */
const driverless = ['c', '240', '7'];
const allowed = 'No such device or address';
const denied = 'Operation not permitted';

for (const handler of ['crun', 'runc']) {
  describe(`pods: devices of a container (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    let dir = '';
    before(async () => {
      node = await startRealNode({ config: { defaultRuntime: handler } });
      pods = await PodClient.on(node);
      const security_context = newLinuxSandboxSecurityContext({ privileged: true });
      sandbox = await pods.runPod({ linux: newLinuxPodSandboxConfig({ security_context }) });
      dir = `${node.dir}/dev`;
      fs.mkdirSync(`${dir}/folder/deep`, { recursive: true });
      execFileSync('mknod', ['-m', '640', `${dir}/odd`, ...driverless]);
      execFileSync('mknod', [`${dir}/folder/one`, ...full]);
      execFileSync('mknod', [`${dir}/folder/deep/two`, ...full]);
      fs.writeFileSync(`${dir}/folder/note`, '');
      fs.mkdirSync(`${dir}/empty`);
      fs.symlinkSync(`${dir}/odd`, `${dir}/link`);
    });
    after(() => node.dispose());
    const open = async (id: string, mode: '<' | '>>', file: string) =>
      (await pods.exec(id, 'sh', '-c', `exec 3${mode} ${file}`)).stderr;

    it('are there under the name asked for, with the rights asked for and no others', async () => {
      const id = await pods.run(
        sandbox,
        withDevices({ host_path: `${dir}/odd`, container_path: '/dev/log/odd', permissions: 'r' }),
      );
      expect(await pods.shell(id, 'stat -c "%t:%T %a" /dev/log/odd')).to.equal('f0:7 640');
      expect(await open(id, '<', '/dev/log/odd')).to.contain(allowed);
      expect(await open(id, '>>', '/dev/log/odd')).to.contain(denied);
      const other = await pods.run(sandbox, withDevices({ host_path: `${dir}/link`, permissions: 'w' }));
      expect(await open(other, '<', `${dir}/link`)).to.contain(denied);
      expect(await open(other, '>>', `${dir}/link`)).to.contain(allowed);
      const without = await pods.run(sandbox);
      await pods.shell(without, `mknod /odd ${driverless.join(' ')}`);
      expect(await open(without, '<', '/odd')).to.contain(denied);
    });

    it('of a folder are all there, and one that every container has does no harm', async () => {
      const id = await pods.run(
        sandbox,
        withDevices(
          { host_path: `${dir}/folder`, container_path: '/dev/many', permissions: 'rwm' },
          { host_path: '/dev/null', container_path: '/dev/null', permissions: 'rwm' },
        ),
      );
      expect(await pods.shell(id, 'find /dev/many -type c | sort; echo x > /dev/null')).to.equal(
        '/dev/many/deep/two\n/dev/many/one',
      );
      expect(await pods.shell(id, 'ls /dev/many')).to.equal('deep\none');
    });

    const refusals: [what: string, host: string, kind: string][] = [
      ['that is not there', '/no-such-device', 'not-found'],
      ['that is a file', '/folder/note', 'invalid'],
      ['that is a folder without any', '/empty', 'invalid'],
    ];
    for (const [what, host, kind] of refusals) {
      it(`${what} is refused by name`, async () => {
        const error = await failure(pods.create(sandbox, withDevices({ host_path: `${dir}${host}` })));
        expect(error).to.include({ kind });
        expect(error.message).to.match(/^config\.devices\[0\]\.host_path: /);
      });
    }

    it("of the machine and of the request are a privileged container's, also where it mounts /dev", async () => {
      const privileged = newLinuxContainerConfig({
        security_context: newLinuxContainerSecurityContext({ privileged: true }),
      });
      const id = await pods.run(sandbox, {
        linux: privileged,
        ...withDevices({ host_path: `${dir}/odd`, container_path: '/dev/extra', permissions: 'r' }),
      });
      expect(await pods.shell(id, 'stat -c %t:%T /dev/extra /dev/kmsg')).to.equal('f0:7\n1:b');
      const mounts = [newMount({ host_path: '/dev', container_path: '/dev' })];
      const whole = await pods.run(sandbox, { linux: privileged, mounts });
      expect(await pods.shell(whole, 'stat -c %t:%T /dev/kmsg; test -e /dev/vda && echo disk')).to.contain(
        '1:b',
      );
      expect(fs.existsSync('/dev/extra'), 'nothing is made on the host').to.equal(false);
    });
  });
}
