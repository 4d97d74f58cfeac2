import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { expect } from 'chai';
import {
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newMount,
  newStatusRequest,
} from '../../../src/ports/cri/messages.js';
import type { Mount, MountPropagation } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const withMounts = (...mounts: Partial<Mount>[]) => ({ mounts: mounts.map((mount) => newMount(mount)) });
const mount = (...args: string[]) => execFileSync('mount', args);

for (const handler of ['crun', 'runc']) {
  describe(`pods: mounts of a container (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    let dir = '';
    const mounted: string[] = [];
    before(async () => {
      node = await startRealNode({ config: { defaultRuntime: handler } });
      pods = await PodClient.on(node);
      const security_context = newLinuxSandboxSecurityContext({ privileged: true });
      sandbox = await pods.runPod({ linux: newLinuxPodSandboxConfig({ security_context }) });
      dir = `${node.dir}/host`;
      for (const name of ['folder/inner', 'other']) fs.mkdirSync(`${dir}/${name}`, { recursive: true });
      for (const name of ['file', 'folder/mark', 'other/mark'])
        fs.writeFileSync(`${dir}/${name}`, `${name}\n`);
    });
    after(async () => {
      await pods.removeAll();
      for (const target of mounted.reverse()) execFileSync('umount', ['--lazy', target]);
      await node.dispose();
    });
    const onHost = (target: string, ...args: string[]) => {
      mount(...args, target);
      mounted.push(target);
    };

    it('lie in each other in the order of their depth, whatever the order of the request', async () => {
      const id = await pods.run(
        sandbox,
        withMounts(
          { container_path: '/outer/inner', host_path: `${dir}/other` },
          { container_path: '/outer', host_path: `${dir}/folder` },
        ),
      );
      expect(await pods.shell(id, 'cat /outer/mark /outer/inner/mark')).to.equal('folder/mark\nother/mark');
    });

    it("over the pod's own files win", async () => {
      const places = ['/etc/hosts', '/etc/resolv.conf', '/etc/hostname'];
      const id = await pods.run(
        sandbox,
        withMounts(...places.map((container_path) => ({ container_path, host_path: `${dir}/file` })), {
          container_path: '/dev/shm',
          host_path: `${dir}/folder`,
        }),
      );
      expect(await pods.shell(id, `cat ${places.join(' ')}; ls /dev/shm`)).to.equal(
        'file\nfile\nfile\ninner\nmark',
      );
      expect(await pods.shell(id, 'grep -c " /etc/hosts " /proc/self/mountinfo')).to.equal('1');
    });

    it('go where their path leads, read as the kernel reads it, and never out of the root', async () => {
      fs.symlinkSync(dir, `${dir}/folder/out`);
      const id = await pods.run(
        sandbox,
        withMounts(
          { container_path: '/etc/../var/./in/', host_path: `${dir}/folder` },
          { container_path: '/var/in/out/new', host_path: `${dir}/other` },
        ),
      );
      expect(await pods.shell(id, `cat /var/in/mark ${dir}/new/mark`)).to.equal('folder/mark\nother/mark');
      expect(fs.existsSync(`${dir}/new`), 'on the host').to.equal(false);
      expect((await pods.status(id)).mounts[0]?.container_path, 'as it was asked').to.equal(
        '/etc/../var/./in/',
      );
      fs.unlinkSync(`${dir}/folder/out`);
    });

    const misfits: [what: string, mounts: Partial<Mount>[], key: string][] = [
      [
        'a folder onto a file',
        [{ container_path: '/etc/passwd', host_path: '/folder' }],
        '[0].container_path',
      ],
      ['a file onto a folder', [{ container_path: '/etc', host_path: '/file' }], '[0].container_path'],
      [
        'a place below a file',
        [{ container_path: '/etc/passwd/x', host_path: '/file' }],
        '[0].container_path',
      ],
      [
        'a folder onto the file of another mount',
        [
          { container_path: '/v', host_path: '/folder' },
          { container_path: '/v/mark', host_path: '/other' },
        ],
        '[1].container_path',
      ],
    ];
    for (const [what, mounts, key] of misfits) {
      it(`of ${what} are refused by name`, async () => {
        const placed = mounts.map((set) => ({ ...set, host_path: `${dir}${set.host_path ?? ''}` }));
        const error = await failure(pods.create(sandbox, withMounts(...placed)));
        expect(error).to.include({ kind: 'invalid' });
        expect(error.message.startsWith(`config.mounts${key}: `), error.message).to.equal(true);
      });
    }

    describe('with a mount in them', () => {
      before(() => onHost(`${dir}/folder/inner`, '-t', 'tmpfs', 'none'));
      const touch = async (recursive_read_only: boolean) => {
        const id = await pods.run(
          sandbox,
          withMounts({
            container_path: '/mnt',
            host_path: `${dir}/folder`,
            readonly: true,
            recursive_read_only,
            selinux_relabel: true,
          }),
        );
        const [told] = (await pods.status(id)).mounts;
        expect(told).to.include({ readonly: true, recursive_read_only, host_path: `${dir}/folder` });
        expect((await pods.exec(id, 'touch', '/mnt/file')).stderr).to.contain('Read-only file system');
        return (await pods.exec(id, 'touch', '/mnt/inner/file')).stderr;
      };

      it('are read-only at the top alone', async () => expect(await touch(false)).to.equal(''));

      it('are read-only as a whole where asked, which the status promises', async () => {
        const { runtime_handlers } = await node.cri.runtime.Status(newStatusRequest(), node.ctx);
        expect(
          runtime_handlers.map(({ name, features }) => [name, features?.recursive_read_only_mounts]),
        ).to.deep.include.members([
          ['', true],
          [handler, true],
        ]);
        expect(await touch(true)).to.contain('Read-only file system');
      });

      it('let the host take that mount away under a running container', async () => {
        const place = `${dir}/folder/passing`;
        fs.mkdirSync(place);
        mount('-t', 'tmpfs', 'none', place);
        await pods.run(
          sandbox,
          withMounts({
            container_path: '/mnt',
            host_path: `${dir}/folder`,
            readonly: true,
            recursive_read_only: true,
          }),
        );
        execFileSync('umount', [place]);
        fs.rmdirSync(place);
      });
    });

    describe('that travel', () => {
      const run = async (propagation: MountPropagation, privileged = true) => {
        const volume = `${dir}/${propagation}-${privileged}`;
        fs.mkdirSync(`${volume}/from-host`, { recursive: true });
        fs.mkdirSync(`${volume}/from-container`);
        onHost(volume, '--bind', volume);
        mount('--make-private', volume);
        if (propagation !== 'PROPAGATION_PRIVATE') mount('--make-shared', volume);
        const id = await pods.run(sandbox, {
          ...withMounts({ container_path: volume, host_path: volume, propagation }),
          linux: newLinuxContainerConfig({
            security_context: newLinuxContainerSecurityContext({ privileged }),
          }),
        });
        onHost(`${volume}/from-host`, '--bind', `${dir}/other`);
        return { id, volume };
      };
      const expected: [MountPropagation, fromHost: string, toHost: boolean][] = [
        ['PROPAGATION_PRIVATE', '', false],
        ['PROPAGATION_HOST_TO_CONTAINER', 'mark', false],
        ['PROPAGATION_BIDIRECTIONAL', 'mark', true],
      ];
      for (const [propagation, fromHost, toHost] of expected) {
        it(`as ${propagation} says, both ways`, async () => {
          const { id, volume } = await run(propagation);
          expect(await pods.shell(id, `ls ${volume}/from-host`)).to.equal(fromHost);
          await pods.shell(id, `mount --bind /etc ${volume}/from-container`);
          expect(fs.existsSync(`${volume}/from-container/passwd`)).to.equal(toHost);
          if (toHost) mounted.push(`${volume}/from-container`);
          expect((await pods.status(id)).mounts[0]).to.include({ propagation, host_path: volume });
        });
      }

      it('into a container without privileges, which the kubelet alone refuses', async () => {
        const { id, volume } = await run('PROPAGATION_BIDIRECTIONAL', false);
        expect(await pods.shell(id, `ls ${volume}/from-host`)).to.equal('mark');
      });
    });
  });
}
