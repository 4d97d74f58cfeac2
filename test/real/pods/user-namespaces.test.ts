import fs from 'node:fs';
import { expect } from 'chai';
import {
  newCapability,
  newIDMapping,
  newInt64Value,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newMount,
  newNamespaceOption,
  newPodSandboxStatusRequest,
  newStatusRequest,
  newUserNamespace,
} from '../../../src/ports/cri/messages.js';
import type { LinuxContainerSecurityContext, NamespaceOption } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { podWith } from './pod-with.js';

const hostRoot = 200_000;
const length = 65_536;
const range = newIDMapping({ container_id: 0, host_id: hostRoot, length });
const userns_options = newUserNamespace({ mode: 'POD', uids: [range], gids: [range] });
const mapped = (more: Partial<NamespaceOption> = {}) => podWith({ userns_options, ...more });
const secured = (set: Partial<LinuxContainerSecurityContext>) => ({
  linux: newLinuxContainerConfig({
    security_context: newLinuxContainerSecurityContext({
      namespace_options: newNamespaceOption({ userns_options }),
      ...set,
    }),
  }),
});

describe('pods: user namespaces (real kernel)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  afterEach(() => pods.removeAll());
  after(() => node.dispose());

  const infraPid = async (sandbox: string) => {
    const request = newPodSandboxStatusRequest({ pod_sandbox_id: sandbox, verbose: true });
    const { info } = await node.cri.runtime.PodSandboxStatus(request, node.ctx);
    return (JSON.parse(info['info'] ?? '{}') as { pid: number }).pid;
  };
  const ownerOf = (path: string) => {
    const { uid, gid } = fs.statSync(path);
    return [uid, gid];
  };
  const upperOf = (id: string) => `${node.config.rootDir}/snapshots/${id}/upper`;

  it('are told as a feature of each handler, and of pods with the host’s network', async () => {
    const status = await node.cri.runtime.Status(newStatusRequest(), node.ctx);
    expect(status.runtime_handlers.map(({ features }) => features?.user_namespaces)).to.include(true);
    expect(status.runtime_handlers.map(({ features }) => features?.user_namespaces)).not.to.include(false);
    expect(status.features?.user_namespaces_host_network).to.equal(true);
  });

  for (const handler of ['crun', 'runc']) {
    describe(`by ${handler}`, () => {
      it('map the ids of a pod as asked: processes, files of the image, what is written', async () => {
        const sandbox = await pods.runPod(mapped().pod, handler);
        const command = ['sh', '-c', 'cat /proc/self/uid_map /proc/self/gid_map; exec sleep 1000000'];
        const id = await pods.run(sandbox, { command, ...mapped().container });
        const line = new RegExp(`^\\s*0\\s+${hostRoot}\\s+${length}$`);
        await waitFor('both maps', async () => (await pods.logLines(id)).length === 2);
        for (const { text } of await pods.logLines(id)) expect(text).to.match(line);
        const options = (await pods.podStatus(sandbox)).linux?.namespaces?.options;
        expect(options?.userns_options).to.deep.equal(userns_options);

        expect(await pods.shell(id, 'id -u; stat -c %u:%g / /bin/busybox')).to.equal('0\n0:0\n0:0');
        await pods.shell(
          id,
          'echo new > /new; touch /by1000; chown 1000:1000 /by1000; chmod 700 /bin/busybox',
        );
        expect(ownerOf(`${upperOf(id)}/new`)).to.deep.equal([hostRoot, hostRoot]);
        expect(ownerOf(`${upperOf(id)}/by1000`)).to.deep.equal([hostRoot + 1000, hostRoot + 1000]);
        expect(ownerOf(`${upperOf(id)}/bin/busybox`), 'copied up').to.deep.equal([hostRoot, hostRoot]);
      });

      it("own the pod's other namespaces: its network, hostname and shared memory are root's to change", async () => {
        const sandbox = await pods.runPod(mapped().pod, handler);
        const add_capabilities = ['NET_ADMIN', 'SYS_ADMIN', 'NET_RAW'];
        const capable = secured({ capabilities: newCapability({ add_capabilities }) });
        const id = await pods.run(sandbox, capable);
        const other = await pods.run(sandbox, mapped().container);
        await pods.shell(id, 'ip link set lo down && ip link set lo up && ping -c 1 -W 5 127.0.0.1');
        await pods.shell(id, 'hostname changed');
        expect(await pods.shell(other, 'hostname')).to.equal('changed');
        await pods.shell(id, 'echo "1.2.3.4 more" >> /etc/hosts; echo shared > /dev/shm/x');
        expect(await pods.shell(other, 'tail -n 1 /etc/hosts; cat /dev/shm/x')).to.equal(
          '1.2.3.4 more\nshared',
        );
        expect(
          await pods.shell(id, 'stat -c %u /etc/hosts /etc/resolv.conf /etc/hostname /dev/shm'),
        ).to.equal('0\n0\n0\n0');
        const [ip] = [(await pods.podStatus(sandbox)).network?.ip];
        expect(await pods.shell(other, 'ip addr show dev eth0')).to.contain(` ${ip}/`);
        for (const name of ['net', 'ipc', 'uts', 'pid', 'user']) {
          expect(fs.readlinkSync(`/proc/${await infraPid(sandbox)}/ns/${name}`)).not.to.equal(
            fs.readlinkSync(`/proc/self/ns/${name}`),
          );
        }
      });

      it('give nothing on the host: a capable root in there is a stranger out here', async () => {
        const secret = `${node.dir}/secret`;
        fs.writeFileSync(secret, 'of the host', { mode: 0o600 });
        const sandbox = await pods.runPod(mapped().pod, handler);
        const mounts = [newMount({ host_path: secret, container_path: '/secret' })];
        const capabilities = newCapability({ add_capabilities: ['ALL'] });
        const id = await pods.run(sandbox, { mounts, ...secured({ capabilities }) });
        expect((await pods.exec(id, 'cat', '/secret')).exitCode).not.to.equal(0);
        expect((await pods.exec(id, 'mknod', '/disk', 'b', '8', '0')).exitCode).not.to.equal(0);
        expect(await pods.shell(id, 'grep CapEff /proc/self/status')).to.match(/\t000001ffffffffff$/);
      });

      it('show volumes with ids of their own mapping, and write to them by those', async () => {
        const [folder, file] = [`${node.dir}/volume-${handler}`, `${node.dir}/file-${handler}`];
        fs.mkdirSync(folder, { mode: 0o700 });
        fs.writeFileSync(`${folder}/by1000`, 'x', { mode: 0o600 });
        fs.chownSync(`${folder}/by1000`, 1000, 1000);
        fs.writeFileSync(file, 'content', { mode: 0o600 });
        const ids = { uidMappings: [range], gidMappings: [range] };
        const mounts = [
          newMount({ host_path: folder, container_path: '/volume', ...ids }),
          newMount({ host_path: file, container_path: '/file', readonly: true, ...ids }),
        ];
        const sandbox = await pods.runPod(mapped().pod, handler);
        const id = await pods.run(sandbox, { mounts, ...mapped().container });
        expect(await pods.shell(id, 'stat -c %u:%g /volume /volume/by1000 /file')).to.equal(
          '0:0\n1000:1000\n0:0',
        );
        expect(
          await pods.shell(id, 'cat /file; echo new > /volume/new; echo x > /file || echo read-only'),
        ).to.equal('content\nread-only'.replace('content\n', 'content'));
        expect(ownerOf(`${folder}/new`)).to.deep.equal([0, 0]);
        expect((await pods.status(id)).mounts).to.deep.equal(mounts);
        await pods.removePod(sandbox);
        expect(fs.readdirSync(folder)).to.have.members(['by1000', 'new']);
      });

      it('go with the host’s network, when /sys is the host’s as well', async () => {
        const host = mapped({ network: 'NODE' });
        const id = await pods.run(await pods.runPod(host.pod, handler), host.container);
        expect(await pods.shell(id, 'readlink /proc/self/ns/net')).to.equal(
          fs.readlinkSync('/proc/self/ns/net'),
        );
        expect(await pods.shell(id, 'ls /sys/class/net/lo/address; cat /proc/self/uid_map')).to.match(
          new RegExp(`address\\s+0\\s+${hostRoot}\\s+${length}`),
        );
      });
    });
  }

  it('let a container have a PID namespace of its own, and join that of another', async () => {
    const own = mapped({ pid: 'CONTAINER' });
    const sandbox = await pods.runPod(own.pod);
    const target = await pods.run(sandbox, { command: ['sleep', '4711'], ...own.container });
    const debug = await pods.run(sandbox, mapped({ pid: 'TARGET', target_id: target }).container);
    await waitFor('the target as process 1', async () =>
      (await pods.shell(debug, 'cat /proc/1/cmdline')).includes('4711'),
    );
  });

  it('run the user that is asked for, and refuse one that is not mapped', async () => {
    const sandbox = await pods.runPod(mapped().pod);
    const as = (value: string) => secured({ run_as_user: newInt64Value({ value }) });
    const id = await pods.run(sandbox, as('1000'));
    expect(await pods.shell(id, 'id -u')).to.equal('1000');
    const refused = await failure(pods.create(sandbox, as(String(length))));
    expect(refused).to.include({ kind: 'invalid' });
    expect(refused.message).to.match(/^config\.linux\.security_context\.run_as_user: 65536 /);
  });

  it('refuse a volume whose file system maps no ids, by the name of the mount', async () => {
    const mounts = [
      newMount({ host_path: '/proc/sys', container_path: '/m', uidMappings: [range], gidMappings: [range] }),
    ];
    const sandbox = await pods.runPod(mapped().pod);
    const refused = await failure(pods.create(sandbox, { mounts, ...mapped().container }));
    expect(refused).to.include({ kind: 'unsupported' });
    expect(refused.message).to.match(/^config\.mounts\[0\]\.uidMappings: /);
  });

  it('keep roots from other users of the host', async () => {
    const sandbox = await pods.runPod(mapped().pod);
    const id = await pods.run(sandbox, mapped().container);
    for (const name of [sandbox, id]) {
      const { mode, uid, gid } = fs.statSync(`${node.config.runDir}/roots/${name}`);
      expect([mode & 0o777, uid, gid]).to.deep.equal([0o710, 0, hostRoot]);
    }
  });
});
