import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { expect } from 'chai';
import {
  newImageFsInfoRequest,
  newImageSpec,
  newImageStatusRequest,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newListImagesRequest,
  newMount,
  newRemoveImageRequest,
} from '../../../src/ports/cri/messages.js';
import type { Mount, MountPropagation } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { isMounted, startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

describe('pods: the files of a container (real mounts)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  let image = '';
  let volume = '';
  before(async () => {
    node = await startRealNode();
    image = await node.image();
    pods = await PodClient.on(node, image);
    sandbox = await pods.runPod();
    volume = `${node.dir}/volume`;
    fs.mkdirSync(volume);
    fs.writeFileSync(`${volume}/file`, 'from the host\n');
  });
  after(() => node.dispose());

  const withMounts = (...mounts: Partial<Mount>[]) => ({ mounts: mounts.map((mount) => newMount(mount)) });

  it('are mounted from the host, read-only where asked, through symlinks, and made where missing', async () => {
    fs.symlinkSync(volume, `${node.dir}/link`);
    const missing = `${node.dir}/missing/deep`;
    const id = await pods.run(
      sandbox,
      withMounts(
        { container_path: '/rw', host_path: volume },
        { container_path: '/ro', host_path: volume, readonly: true },
        { container_path: '/linked', host_path: `${node.dir}/link` },
        { container_path: '/one/file', host_path: `${volume}/file` },
        { container_path: '/made', host_path: missing },
        { container_path: '/etc/hosts', host_path: `${volume}/file` },
      ),
    );
    expect(await pods.shell(id, 'cat /linked/file /one/file /etc/hosts')).to.equal(
      Array(3).fill('from the host').join('\n'),
    );
    await pods.shell(id, 'echo x > /rw/new; echo y > /made/new');
    expect(fs.readFileSync(`${volume}/new`, 'utf8')).to.equal('x\n');
    expect(fs.readFileSync(`${missing}/new`, 'utf8')).to.equal('y\n');
    expect((await pods.exec(id, 'touch', '/ro/new')).stderr).to.contain('Read-only file system');
    expect((await pods.status(id)).mounts.map((mount) => mount.container_path)).to.include('/ro');
  });

  it('and the log keep names with odd characters', async () => {
    for (const name of ['a b', 'a,b', 'a\\b', 'a"b', 'ü', '-x', 'lowerdir=x']) {
      const mounts = withMounts({ container_path: `/mnt/${name}`, host_path: `${node.dir}/odd/${name}` });
      const command = ['sh', '-c', 'echo "$0" > "$0/file"; echo said', `/mnt/${name}`];
      const id = await pods.run(sandbox, { ...mounts, command, log_path: `${name}/0.log` });
      await pods.exited(id);
      expect(await pods.logText(id), name).to.equal('said');
      expect(fs.readFileSync(`${node.dir}/odd/${name}/file`, 'utf8')).to.equal(`/mnt/${name}\n`);
    }
  });

  it('of a host path below a file fail by its name', async () => {
    const mounts = withMounts({ container_path: '/in', host_path: `${volume}/file/below` });
    const error = await failure(pods.create(sandbox, mounts));
    expect(error).to.include({ kind: 'invalid' });
    expect(error.message).to.match(/^config\.mounts\[0\]\.host_path: /);
  });

  it('of a host path that leads nowhere fail by its name, with nothing left behind', async () => {
    fs.symlinkSync('/no/such/target', `${node.dir}/dangling`);
    const before = await pods.containersOf(sandbox);
    const dangling = withMounts({ container_path: '/x', host_path: `${node.dir}/dangling` });
    const error = await failure(pods.create(sandbox, dangling));
    expect(error).to.include({ kind: 'invalid' });
    expect(error.message).to.match(/^config\.mounts\[0\]\.host_path: .*dangling/);
    expect(await pods.containersOf(sandbox)).to.deep.equal(before);
  });

  describe('that travel', () => {
    let shared = '';
    before(() => {
      shared = `${node.dir}/shared`;
      fs.mkdirSync(shared);
      mount('-t', 'tmpfs', 'tmpfs', shared);
      mount('--make-shared', shared);
    });
    after(() => {
      for (const target of [`${shared}/late`, shared])
        if (isMounted(target)) execFileSync('umount', [target]);
    });
    const mount = (...args: string[]) => execFileSync('mount', args);
    const of = (host_path: string, propagation: MountPropagation) =>
      withMounts({ container_path: '/v', host_path, propagation });

    it('from the host arrive where HOST_TO_CONTAINER is asked, not when private', async () => {
      const slave = await pods.run(sandbox, of(shared, 'PROPAGATION_HOST_TO_CONTAINER'));
      const alone = await pods.run(sandbox, of(shared, 'PROPAGATION_PRIVATE'));
      fs.mkdirSync(`${shared}/late`, { recursive: true });
      mount('-t', 'tmpfs', 'tmpfs', `${shared}/late`);
      expect(await pods.shell(slave, 'grep -c " /v/late " /proc/mounts')).to.equal('1');
      expect(await pods.shell(alone, 'grep -c " /v/late " /proc/mounts || true')).to.equal('0');
      execFileSync('umount', [`${shared}/late`]);
      expect(await pods.shell(slave, 'grep -c " /v/late " /proc/mounts || true')).to.equal('0');
    });

    it('from a privileged container reach the host where BIDIRECTIONAL is asked', async () => {
      const security_context = newLinuxSandboxSecurityContext({ privileged: true });
      const privileged = await pods.runPod({ linux: newLinuxPodSandboxConfig({ security_context }) });
      const id = await pods.run(privileged, {
        linux: newLinuxContainerConfig({
          security_context: newLinuxContainerSecurityContext({ privileged: true }),
        }),
        ...of(shared, 'PROPAGATION_BIDIRECTIONAL'),
      });
      await pods.shell(id, 'mkdir -p /v/late && mount -t tmpfs tmpfs /v/late');
      expect(isMounted(`${shared}/late`)).to.equal(true);
      execFileSync('umount', [`${shared}/late`]);
      expect(await pods.shell(id, 'grep -c " /v/late " /proc/mounts || true')).to.equal('0');
    });

    it('are refused where the host path is on a mount that does not share', async () => {
      const alone = `${node.dir}/alone`;
      fs.mkdirSync(alone);
      mount('-t', 'tmpfs', 'tmpfs', alone);
      mount('--make-private', alone);
      try {
        for (const propagation of ['PROPAGATION_BIDIRECTIONAL', 'PROPAGATION_HOST_TO_CONTAINER'] as const) {
          const error = await failure(pods.create(sandbox, of(alone, propagation)));
          expect(error, propagation).to.include({ kind: 'invalid' });
          expect(error.message).to.match(/^config\.mounts\[0\]\.propagation: .*alone/);
        }
      } finally {
        execFileSync('umount', [alone]);
      }
    });
  });

  it('are read-only with a read-only root, masked and locked where asked', async () => {
    const id = await pods.run(sandbox, {
      linux: newLinuxContainerConfig({
        security_context: newLinuxContainerSecurityContext({
          readonly_rootfs: true,
          masked_paths: ['/proc/kcore', '/sys/firmware'],
          readonly_paths: ['/proc/sys'],
        }),
      }),
      ...withMounts({ container_path: '/data', host_path: volume }),
    });
    for (const path of ['/x', '/etc/hosts', '/etc/resolv.conf']) {
      expect((await pods.exec(id, 'sh', '-c', `echo >> ${path}`)).stderr, path).to.contain('Read-only');
    }
    await pods.shell(id, 'touch /data/x /dev/shm/x');
    expect((await pods.exec(id, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')).stderr).to.contain(
      'Read-only',
    );
    expect(await pods.shell(id, 'ls /sys/firmware; head -c 1 /proc/kcore | wc -c')).to.equal('0');
  });

  it('outlive the removal of the image under them, and the image can come back', async () => {
    const { images } = node.cri;
    const variant = { cmd: ['sleep', '3000000'] };
    const reference = await node.image(variant);
    const spec = newImageSpec({ image: reference });
    const id = await pods.run(sandbox, { image: spec });
    const { image: found } = await images.ImageStatus(newImageStatusRequest({ image: spec }), node.ctx);
    expect(found?.repo_tags).to.deep.equal([reference]);
    await images.RemoveImage(newRemoveImageRequest({ image: spec }), node.ctx);
    await images.RemoveImage(newRemoveImageRequest({ image: spec }), node.ctx);
    const gone = await images.ImageStatus(newImageStatusRequest({ image: spec }), node.ctx);
    expect(gone.image).to.equal(null);
    expect(await pods.shell(id, 'cat /etc/passwd')).to.contain('app:x:1000');
    const status = await pods.status(id);
    expect([status.image?.image, status.image_id]).to.deep.equal([reference, found?.id]);
    expect(await failure(pods.create(sandbox, { image: spec }))).to.include({ kind: 'not-found' });
    await node.image(variant);
    await pods.run(sandbox, { image: spec });
    const { images: all } = await images.ListImages(newListImagesRequest(), node.ctx);
    expect(all.flatMap(({ repo_tags }) => repo_tags)).to.include.members([reference, image]);
    const { image_filesystems } = await images.ImageFsInfo(newImageFsInfoRequest(), node.ctx);
    expect(Number(image_filesystems[0]?.used_bytes?.value)).to.be.greaterThan(1_000_000);
    expect(image_filesystems[0]?.fs_id?.mountpoint).to.be.a('string').and.match(/^\//);
  });
});
