import { expect } from 'chai';
import fc from 'fast-check';
import { NodeletError } from '../../src/base/errors.js';
import {
  newContainerConfig,
  newContainerMetadata,
  newIDMapping,
  newImageSpec,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newMount,
  newNamespaceOption,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newUserNamespace,
} from '../../src/ports/cri/messages.js';
import { NamespaceModeValues } from '../../src/ports/cri/messages.js';
import type {
  IDMapping,
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  UserNamespace,
} from '../../src/ports/cri/messages.js';
import { containerNamespaces } from '../../src/spec/container-namespaces.js';
import { validateContainerConfig } from '../../src/spec/container-validate.js';
import { podIdMapping } from '../../src/spec/mounts/id-mappings.js';
import { validateSandboxConfig } from '../../src/spec/sandbox-validate.js';
import { plainMachine } from './plain-machine.js';

type Options = Partial<NamespaceOption>;
const options = 'config.linux.security_context.namespace_options';
const userns = `${options}.userns_options`;

function sandboxOf(set: Options, more: Partial<LinuxSandboxSecurityContext> = {}) {
  const security_context = newLinuxSandboxSecurityContext({
    namespace_options: newNamespaceOption(set),
    ...more,
  });
  return newPodSandboxConfig({
    metadata: newPodSandboxMetadata({ name: 'a', namespace: 'b', uid: 'c' }),
    linux: newLinuxPodSandboxConfig({ security_context }),
  });
}

function containerOf(set: Options | null, more: Partial<LinuxContainerSecurityContext> = {}) {
  const namespace_options = set === null ? null : newNamespaceOption(set);
  return newContainerConfig({
    metadata: newContainerMetadata({ name: 'c' }),
    image: newImageSpec({ image: 'i' }),
    linux: newLinuxContainerConfig({
      security_context: newLinuxContainerSecurityContext({ namespace_options, ...more }),
    }),
  });
}

const range = (set: Partial<IDMapping> = {}) =>
  newIDMapping({ container_id: 0, host_id: 65536, length: 65536, ...set });
const mapped = (set: Partial<UserNamespace> = {}): Options => ({
  userns_options: newUserNamespace({ mode: 'POD', uids: [range()], gids: [range()], ...set }),
});

/** The error of a check, `undefined` where it passes. */
function outcome(check: () => unknown): NodeletError | undefined {
  try {
    check();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof NodeletError) return thrown;
    throw thrown;
  }
}
const checkSandbox = (set: Options, more = {}) =>
  outcome(() => validateSandboxConfig(sandboxOf(set, more), plainMachine));
const checkContainer = (set: Options | null, pod: Options, more = {}) =>
  outcome(() => validateContainerConfig(containerOf(set, more), sandboxOf(pod), plainMachine));

describe('spec: namespaces of a sandbox', () => {
  for (const key of ['network', 'ipc', 'pid'] as const) {
    it(`${key} is the pod's own, or the host's, but no container's`, () => {
      for (const mode of ['POD', 'CONTAINER', 'NODE'] as const)
        expect(checkSandbox({ [key]: mode })).to.equal(undefined);
      expect(checkSandbox({ [key]: 'TARGET' })).to.include({ kind: 'invalid', field: `${options}.${key}` });
    });
  }

  it('name no target', () => {
    expect(checkSandbox({ target_id: 'x' })).to.include({ kind: 'invalid', field: `${options}.target_id` });
  });
});

describe('spec: namespaces of a container', () => {
  for (const key of ['network', 'ipc', 'pid'] as const) {
    it(`${key} is the host's only where the sandbox's is`, () => {
      for (const mode of ['POD', 'CONTAINER'] as const) {
        expect(checkContainer({ [key]: mode }, {}), mode).to.equal(undefined);
        expect(checkContainer({ [key]: mode }, { [key]: 'NODE' }), mode).to.equal(undefined);
      }
      expect(checkContainer({ [key]: 'NODE' }, { [key]: 'NODE' })).to.equal(undefined);
      for (const mode of ['POD', 'CONTAINER'] as const) {
        const refused = checkContainer({ [key]: 'NODE' }, { [key]: mode });
        expect(refused, mode).to.include({ kind: 'invalid', field: `${options}.${key}` });
      }
    });
  }

  it('are those of a target for pid alone, which then has to be named', () => {
    const field = (asked: Options) => checkContainer(asked, {})?.field;
    expect(field({ pid: 'TARGET', target_id: 'x' })).to.equal(undefined);
    expect(field({ pid: 'TARGET' })).to.equal(`${options}.target_id`);
    expect(field({ pid: 'POD', target_id: 'x' })).to.equal(`${options}.target_id`);
    expect(field({ ipc: 'TARGET' })).to.equal(`${options}.ipc`);
    expect(field({ network: 'TARGET' })).to.equal(`${options}.network`);
  });

  const joined = (asked: Options, pod: Options, netnsPath?: string) =>
    containerNamespaces({
      config: containerOf(asked),
      sandboxConfig: sandboxOf(pod),
      infraPid: 7,
      targetPid: asked.pid === 'TARGET' ? 9 : undefined,
      idMapping: podIdMapping(sandboxOf(pod)),
      netnsPath,
    }).map(({ type, path }) => (path === undefined ? type : `${type} ${path}`));

  it("are the pod's, the target's, or new ones, and none where they are the host's", () => {
    expect(joined({}, {}, '/run/pod')).to.have.members([
      'mount',
      'network /run/pod',
      'uts /proc/7/ns/uts',
      'ipc /proc/7/ns/ipc',
      'pid /proc/7/ns/pid',
    ]);
    const own = joined({ network: 'CONTAINER', ipc: 'CONTAINER', pid: 'CONTAINER' }, {}, '/run/pod');
    expect(own).to.have.members(['mount', 'network', 'uts /proc/7/ns/uts', 'ipc', 'pid']);
    expect(joined({ pid: 'TARGET' }, {})).to.include('pid /proc/9/ns/pid');
    expect(joined(mapped(), mapped())).to.include('user /proc/7/ns/user');
    const host = { network: 'NODE', ipc: 'NODE', pid: 'NODE' } as const;
    expect(joined(host, host)).to.deep.equal(['mount']);
  });
});

describe('spec: user namespaces', () => {
  it('are a sandbox’s with one range for users and one for groups', () => {
    expect(checkSandbox(mapped())).to.equal(undefined);
    expect(podIdMapping(sandboxOf(mapped()))).to.deep.equal({
      uids: { containerId: 0, hostId: 65536, length: 65536 },
      gids: { containerId: 0, hostId: 65536, length: 65536 },
    });
    for (const none of [{}, { userns_options: newUserNamespace({ mode: 'NODE' }) }]) {
      expect(podIdMapping(sandboxOf(none))).to.equal(undefined);
    }
  });

  const refusals: [field: string, set: Options][] = [
    [`${userns}.mode`, { userns_options: newUserNamespace({ mode: 'CONTAINER' }) }],
    [`${userns}.mode`, mapped({ mode: 'TARGET' })],
    [`${userns}.uids`, { userns_options: newUserNamespace({ mode: 'POD' }) }],
    [`${userns}.uids`, mapped({ uids: [range(), range({ container_id: 65536, host_id: 200000 })] })],
    [`${userns}.gids`, mapped({ gids: [] })],
    [`${userns}.uids`, mapped({ mode: 'NODE' })],
    [`${userns}.gids`, mapped({ mode: 'NODE', uids: [] })],
    [`${userns}.uids[0].container_id`, mapped({ uids: [range({ container_id: 1 })] })],
    [`${userns}.gids[0].length`, mapped({ gids: [range({ length: 0 })] })],
    [`${userns}.gids[0].length`, mapped({ gids: [range({ host_id: 2 ** 32 - 65536 })] })],
    [`${options}.pid`, { ...mapped(), pid: 'NODE' }],
    [`${options}.ipc`, { ...mapped(), ipc: 'NODE' }],
  ];
  for (const [field, set] of refusals) {
    it(`refuse ${JSON.stringify(set)}`, () => {
      expect(checkSandbox(set)).to.include({ kind: 'invalid', field });
    });
  }

  it('refuse settings of an interface, which comes after the namespaces', () => {
    const config = (name: string) => {
      const sandbox = sandboxOf(mapped());
      return {
        ...sandbox,
        linux: { ...newLinuxPodSandboxConfig(sandbox.linux ?? {}), sysctls: { [name]: '1' } },
      };
    };
    const check = (name: string) => outcome(() => validateSandboxConfig(config(name), plainMachine));
    for (const name of [
      'net.ipv4.conf.all.forwarding',
      'net.core.somaxconn',
      'net/ipv6/conf/default/forwarding',
    ]) {
      expect(check(name), name).to.equal(undefined);
    }
    for (const name of ['net.ipv4.conf.eth0.forwarding', 'net/ipv6/neigh/eth0/mcast_solicit']) {
      expect(check(name), name).to.include({ kind: 'unsupported', field: `config.linux.sysctls["${name}"]` });
    }
  });

  it('have nobody privileged', () => {
    const field = 'config.linux.security_context.privileged';
    expect(checkSandbox(mapped(), { privileged: true })).to.include({ kind: 'invalid', field });
    expect(checkContainer(mapped(), mapped(), { privileged: true })).to.include({ kind: 'invalid', field });
  });

  it('are the same for a container as for its sandbox', () => {
    const none = { userns_options: newUserNamespace({ mode: 'NODE' }) };
    expect(checkContainer(mapped(), mapped())).to.equal(undefined);
    for (const [asked, pod] of [
      [{}, none],
      [none, {}],
      [null, none],
    ] as const) {
      expect(checkContainer(asked, pod)).to.equal(undefined);
    }
    for (const [asked, pod] of [
      [{}, mapped()],
      [null, mapped()],
      [none, mapped()],
      [mapped(), none],
    ] as const) {
      expect(checkContainer(asked, pod)).to.include({ kind: 'invalid', field: userns });
    }
    const other = range({ host_id: 131072 });
    expect(checkContainer(mapped({ uids: [other] }), mapped())).to.include({ field: `${userns}.uids` });
    expect(checkContainer(mapped({ gids: [other] }), mapped())).to.include({ field: `${userns}.gids` });
  });

  it('map volumes of their pods alone, users and groups alike', () => {
    const check = (set: object, pod: Options) => {
      const mounts = [newMount({ host_path: '/v', container_path: '/v', ...set })];
      const config = { ...containerOf(pod), mounts };
      return outcome(() => validateContainerConfig(config, sandboxOf(pod), plainMachine));
    };
    const [uidMappings, gidMappings] = [[range()], [range()]];
    const field = (name: string) => `config.mounts[0].${name}`;
    expect(check({ uidMappings, gidMappings }, mapped())).to.equal(undefined);
    expect(check({ uidMappings }, mapped())).to.include({ kind: 'invalid', field: field('gidMappings') });
    expect(check({ gidMappings }, mapped())).to.include({ kind: 'invalid', field: field('uidMappings') });
    const none = check({ uidMappings, gidMappings }, {});
    expect(none).to.include({ kind: 'invalid', field: field('uidMappings') });
    const two = { uidMappings: [range(), range({ container_id: 65536 })], gidMappings };
    expect(check(two, mapped())).to.include({ kind: 'invalid', field: field('uidMappings') });
    const other = { uidMappings: [range({ host_id: 1 })], gidMappings };
    expect(check(other, mapped())).to.equal(undefined);
    const ofImage = { host_path: '', readonly: true, image: newImageSpec({ image: 'i' }) };
    expect(check({ ...ofImage, uidMappings, gidMappings }, mapped())).to.equal(undefined);
    expect(check({ ...ofImage, ...other }, mapped())).to.include({ field: field('uidMappings') });
  });

  it('are accepted just where the kernel and CRI have them, whatever is sent', () => {
    const id = fc.oneof(fc.constantFrom(0, 1, 65536, 2 ** 32 - 2, 2 ** 32 - 1), fc.nat(2 ** 32 - 1));
    const mapping = fc.record({ host_id: id, container_id: fc.constantFrom(0, 0, 0, 1), length: id });
    // Mostly what comes near to a mapping: refusals for one reason hide the others.
    const one = fc.tuple(mapping);
    const list = fc.oneof(one, one, one, fc.array(mapping, { maxLength: 2 }));
    const mode = fc.constantFrom('POD' as const, 'POD' as const, ...NamespaceModeValues);
    const isRange = ([only, ...others]: IDMapping[]) =>
      only !== undefined &&
      others.length === 0 &&
      only.container_id === 0 &&
      only.length > 0 &&
      only.host_id + only.length <= 2 ** 32 - 1;
    fc.assert(
      fc.property(fc.record({ mode, uids: list, gids: list }), (asked) => {
        const isMapped = asked.mode === 'POD' && isRange(asked.uids) && isRange(asked.gids);
        const isNone = asked.mode === 'NODE' && asked.uids.length + asked.gids.length === 0;
        const refused = checkSandbox({ userns_options: asked });
        expect(refused === undefined).to.equal(isMapped || isNone);
        if (refused !== undefined) {
          expect(refused.kind).to.equal('invalid');
          expect(refused.field?.startsWith(`${userns}.`)).to.equal(true);
          return;
        }
        const mapping = podIdMapping(sandboxOf({ userns_options: asked }));
        expect(mapping?.uids.hostId).to.equal(isMapped ? asked.uids[0]?.host_id : undefined);
        expect(checkContainer({ userns_options: asked }, { userns_options: asked })).to.equal(undefined);
      }),
      { numRuns: 500 },
    );
  });
});
