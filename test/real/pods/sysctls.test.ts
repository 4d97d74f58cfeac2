import { expect } from 'chai';
import {
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newListPodSandboxRequest,
  newNamespaceOption,
} from '../../../src/ports/cri/messages.js';
import type { NamespaceOption } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

for (const handler of ['crun', 'runc']) {
  describe(`pods: sysctls (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    before(async () => {
      node = await startRealNode();
      pods = await PodClient.on(node);
    });
    after(() => node.dispose());

    const podWith = (sysctls: Record<string, string>, options: Partial<NamespaceOption> = {}) =>
      pods.runPod(
        {
          linux: newLinuxPodSandboxConfig({
            sysctls,
            security_context: newLinuxSandboxSecurityContext({
              namespace_options: newNamespaceOption(options),
            }),
          }),
        },
        handler,
      );
    const sandboxes = async () =>
      (await node.cri.runtime.ListPodSandbox(newListPodSandboxRequest(), node.ctx)).items.map(({ id }) => id);

    it('have the value asked for in the namespaces of the pod, safe or not, with dots or slashes', async () => {
      const asked = {
        'kernel.shm_rmid_forced': '1',
        'fs.mqueue.msg_max': '100',
        'net/ipv4/ip_unprivileged_port_start': '80',
        'net.ipv4.ip_local_port_range': '20000 20100',
        'kernel.sem': '250 32000 32 200',
        // Of the interface, which must be there first.
        'net.ipv4.conf.eth0.forwarding': '1',
      };
      const host = Object.keys(asked).map((name) => `/proc/sys/${name.replace(/[./]/g, '/')}`);
      const id = await pods.run(await podWith(asked));
      const values = (await pods.shell(id, `cat ${host.join(' ')}`)).split('\n');
      expect(values.map((value) => value.replaceAll('\t', ' '))).to.deep.equal(Object.values(asked));
    });

    const refusals: [name: string, value: string, message: RegExp, options?: Partial<NamespaceOption>][] = [
      ['net.ipv4.nonsense', '1', /no such setting/],
      ['net.ipv4.ip_local_port_range', 'wide', /the kernel refuses "wide"/],
      ['kernel/shm_rmid_forced', '7', /the kernel refuses "7"/],
      ['net.core.rmem_max', '99999', /lets nobody set it/],
      ['vm.swappiness', '1', /the whole machine’s/],
      ['kernel.hostname', 'x', /the whole machine’s/],
      ['net.core.somaxconn', '9', /the host's namespace/, { network: 'NODE' }],
      ['kernel.sem', '9', /the host's namespace/, { ipc: 'NODE' }],
    ];
    for (const [name, value, message, options] of refusals) {
      it(`are refused by name: ${name}=${value} ${JSON.stringify(options ?? {})}`, async () => {
        const before = await sandboxes();
        const error = await failure(podWith({ [name]: value }, options));
        expect(error).to.include({ kind: 'invalid' });
        expect(error.message).to.match(message).and.to.contain(`config.linux.sysctls["${name}"]: `);
        expect(await sandboxes()).to.deep.equal(before);
      });
    }
  });
}
