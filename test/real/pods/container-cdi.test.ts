import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import {
  newCDIDevice,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newInt64Value,
  newRemoveContainerRequest,
} from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const cdi = (...names: string[]) => ({ CDI_devices: names.map((name) => newCDIDevice({ name })) });

for (const handler of ['crun', 'runc']) {
  describe(`pods: CDI devices of a container (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    let dir = '';
    before(async () => {
      dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-cdi-'));
      const cdiDirs = [`${dir}/vendor`, `${dir}/run`];
      node = await startRealNode({ config: { defaultRuntime: handler, cdiDirs } });
      for (const folder of cdiDirs) fs.mkdirSync(folder, { recursive: true });
      pods = await PodClient.on(node);
      const security_context = newLinuxSandboxSecurityContext({ privileged: true });
      sandbox = await pods.runPod({ linux: newLinuxPodSandboxConfig({ security_context }) });
      execFileSync('mknod', [`${dir}/odd`, 'c', '240', '9']);
      fs.writeFileSync(`${dir}/library`, 'of the vendor\n');
      const hook = (hookName: string) => ({
        hookName,
        path: '/bin/sh',
        args: ['sh', '-c', `cat > ${dir}/${hookName}`],
      });
      fs.writeFileSync(
        `${dir}/vendor/acme.json`,
        JSON.stringify({
          cdiVersion: '0.7.0',
          kind: 'acme.com/gpu',
          containerEdits: { env: ['ACME=1'], additionalGids: [4711] },
          devices: [
            {
              name: '0',
              containerEdits: {
                env: ['ACME_DEVICE=0'],
                deviceNodes: [
                  { path: '/dev/acme/gpu', hostPath: `${dir}/odd`, permissions: 'r', uid: 9, gid: 8 },
                ],
                mounts: [{ hostPath: `${dir}/library`, containerPath: '/lib/acme', options: ['ro', 'bind'] }],
                hooks: [hook('createRuntime'), hook('poststart'), hook('poststop')],
              },
            },
          ],
        }),
      );
      fs.writeFileSync(`${dir}/vendor/broken.yaml`, 'cdiVersion: 9.9.9\n');
    });
    after(async () => {
      await node.dispose();
      fs.rmSync(dir, { recursive: true, force: true });
    });

    it('bring variables, files, devices with their rights, groups and mounts', async () => {
      const id = await pods.run(sandbox, {
        ...cdi('acme.com/gpu=0'),
        linux: newLinuxContainerConfig({
          security_context: newLinuxContainerSecurityContext({ run_as_user: newInt64Value({ value: '0' }) }),
        }),
      });
      expect(await pods.shell(id, 'echo $ACME $ACME_DEVICE; cat /lib/acme')).to.equal('1 0\nof the vendor');
      expect(await pods.shell(id, 'stat -c "%t:%T %u %g" /dev/acme/gpu')).to.equal('f0:9 9 8');
      expect(await pods.shell(id, 'grep Groups /proc/self/status')).to.contain('4711');
      const open = (mode: string) => pods.exec(id, 'sh', '-c', `exec 3${mode} /dev/acme/gpu`);
      expect((await open('<')).stderr).to.contain('No such device or address');
      expect((await open('>>')).stderr).to.contain('Operation not permitted');
      expect((await pods.exec(id, 'touch', '/lib/acme')).stderr).to.contain('Read-only file system');
    });

    it('have their hooks run, also after the end of a container', async () => {
      for (const name of ['createRuntime', 'poststart', 'poststop'])
        fs.rmSync(`${dir}/${name}`, { force: true });
      const id = await pods.run(sandbox, cdi('acme.com/gpu=0'));
      const stateOf = (hook: string) => fs.readFileSync(`${dir}/${hook}`, 'utf8');
      expect(stateOf('createRuntime')).to.contain(id);
      await waitFor('the hook after the start', () => fs.existsSync(`${dir}/poststart`));
      expect(fs.existsSync(`${dir}/poststop`)).to.equal(false);
      await node.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), node.ctx);
      expect(stateOf('poststop')).to.contain(id);
    });

    it('are found anew for each container, also by annotation, a later folder above an earlier one', async () => {
      fs.writeFileSync(
        `${dir}/run/acme.yaml`,
        'cdiVersion: 0.5.0\nkind: acme.com/gpu\ndevices:\n- name: "0"\n  containerEdits:\n    env: [ACME_DEVICE=other]\n',
      );
      const id = await pods.run(sandbox, { annotations: { 'cdi.k8s.io/acme': 'acme.com/gpu=0' } });
      fs.unlinkSync(`${dir}/run/acme.yaml`);
      expect(await pods.shell(id, 'echo $ACME $ACME_DEVICE')).to.equal('other');
      expect((await pods.status(id)).annotations).to.deep.equal({ 'cdi.k8s.io/acme': 'acme.com/gpu=0' });
    });

    it('that nobody knows are refused by name, with the files that could not be read', async () => {
      const before = await pods.containersOf(sandbox);
      const error = await failure(pods.create(sandbox, cdi('acme.com/gpu=0', 'acme.com/gpu=7')));
      expect(error).to.include({ kind: 'not-found' });
      expect(error.message).to.match(/^config\.CDI_devices\[1\]: .*broken\.yaml/);
      expect(await pods.containersOf(sandbox)).to.deep.equal(before);
    });
  });
}
