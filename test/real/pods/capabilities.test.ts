import fs from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { newCapability, newInt64Value, newMount } from '../../../src/ports/cri/messages.js';
import type { LinuxContainerSecurityContext } from '../../../src/ports/cri/messages.js';
import { capabilityNames, processCapabilities } from '../../../src/spec/security/capabilities.js';
import { PodClient, failure, secured, statusFields } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

type Asked = Partial<LinuxContainerSecurityContext>;
const id = (value: number) => newInt64Value({ value: String(value) });
const asked = (add: string[], drop: string[], ambient: string[] = []) => ({
  capabilities: newCapability({
    add_capabilities: add,
    drop_capabilities: drop,
    add_ambient_capabilities: ambient,
  }),
});
const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;
const maskOf = (names: readonly string[]) =>
  names.reduce((mask, name) => mask | (1n << BigInt(capabilityNames.indexOf(name))), 0n);
const hex = (mask: bigint) => mask.toString(16).padStart(16, '0');
const ownMask = () =>
  BigInt(`0x${statusFields(fs.readFileSync('/proc/self/status', 'utf8'))['CapEff'] ?? '0'}`);
const own = capabilityNames.filter((_, bit) => ((ownMask() >> BigInt(bit)) & 1n) === 1n);

for (const handler of ['crun', 'runc']) {
  describe(`pods: capabilities and new privileges (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    before(async () => {
      node = await startRealNode();
      pods = await PodClient.on(node);
      sandbox = await pods.runPod({}, handler);
    });
    after(() => node.dispose());

    /** The five sets of process 1; an exec must have the same. */
    async function capabilities(set: Asked): Promise<Record<string, string>> {
      const container = await pods.run(sandbox, secured(set));
      const [first, inside] = [
        await pods.processStatus(container),
        statusFields(await pods.shell(container, 'cat /proc/self/status')),
      ];
      for (const name of sets) expect(inside[name], `${name} of an exec`).to.equal(first[name]);
      return Object.fromEntries(sets.map((name) => [name, first[name] ?? '']));
    }

    it('are none but the ambient ones for a user other than root, which may bind low ports by them', async () => {
      const set = { run_as_user: id(1000), ...asked([], ['ALL'], ['net_bind_service']) };
      const mask = hex(maskOf(['CAP_NET_BIND_SERVICE']));
      expect(await capabilities(set)).to.deep.equal(Object.fromEntries(sets.map((name) => [name, mask])));
    });
    it('are none at all with ALL dropped, all of the node’s with ALL added', async () => {
      const none = await capabilities(asked([], ['ALL']));
      expect(new Set(Object.values(none))).to.deep.equal(new Set([hex(0n)]));
      const all = await capabilities(asked(['all'], []));
      expect([all['CapEff'], all['CapBnd']]).to.deep.equal([hex(maskOf(own)), hex(maskOf(own))]);
    });
    it('are what was accepted, whatever was asked', async () => {
      const name = fc.constantFrom(
        'ALL',
        ...capabilityNames,
        ...capabilityNames.map((full) => full.slice(4).toLowerCase()),
      );
      const names = fc.array(name, { maxLength: 4 });
      const runs = fc.record({ add: names, drop: names, ambient: names, uid: fc.constantFrom(0, 1000) });
      await fc.assert(
        fc.asyncProperty(runs, async ({ add, drop, ambient, uid }) => {
          const set = { run_as_user: id(uid), ...asked(add, drop, ambient) };
          const given = await capabilities(set).catch((thrown: Error & { kind?: string }) => {
            expect(thrown.message).to.match(/^config\.linux\.security_context\.capabilities\.\w+\[\d+\]: /);
            return undefined;
          });
          if (given === undefined) return;
          const wanted = processCapabilities(set.capabilities, { own, privileged: false, uid });
          expect(given).to.deep.equal({
            CapInh: hex(maskOf(wanted.inheritable)),
            CapPrm: hex(maskOf(wanted.permitted)),
            CapEff: hex(maskOf(wanted.effective)),
            CapBnd: hex(maskOf(wanted.bounding)),
            CapAmb: hex(maskOf(wanted.ambient)),
          });
        }),
        { numRuns: 8 },
      );
    });
    it('are refused by field and place where there is none of the name, with nothing left behind', async () => {
      const before = await pods.containersOf(sandbox);
      const error = await failure(pods.create(sandbox, secured(asked(['KILL', 'FLY'], []))));
      expect(error.message).to.match(/capabilities\.add_capabilities\[1\]: "FLY" is no capability/);
      expect(await pods.containersOf(sandbox)).to.deep.equal(before);
    });

    it('are gained by a set-uid program, but not with no_new_privs', async () => {
      // catatonit is static and, unlike busybox, keeps the user that it is run as.
      const host_path = `${node.dir}/suid`;
      fs.mkdirSync(host_path, { recursive: true });
      fs.copyFileSync('/usr/bin/catatonit', `${host_path}/init`);
      fs.chmodSync(`${host_path}/init`, 0o4755);
      const effectiveUid = async (no_new_privs: boolean) => {
        const container = await pods.run(sandbox, {
          command: ['/suid/init', '-P'],
          mounts: [newMount({ container_path: '/suid', host_path, readonly: true })],
          ...secured({ run_as_user: id(1000), no_new_privs }),
        });
        const { Uid, NoNewPrivs } = await pods.processStatus(container);
        const inside = statusFields(await pods.shell(container, 'cat /proc/self/status'));
        expect(inside['NoNewPrivs'], 'of an exec').to.equal(NoNewPrivs);
        return [Uid?.split(' ')[1], NoNewPrivs];
      };
      expect(await effectiveUid(false)).to.deep.equal(['0', '0']);
      expect(await effectiveUid(true)).to.deep.equal(['1000', '1']);
    });
  });
}
