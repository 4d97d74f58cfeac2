import fs from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  newDNSConfig,
  newIDMapping,
  newNamespaceOption,
  newUserNamespace,
} from '../../../../src/ports/cri/messages.js';
import type {
  LinuxSandboxSecurityContext,
  NamespaceOption,
  PodSandboxConfig,
  PodSandboxStatus,
} from '../../../../src/ports/cri/messages.js';
import type { RunningProcess } from './running-process.js';

export interface PodDraft {
  config: Partial<PodSandboxConfig>;
  sysctls: Record<string, string>;
  security: LinuxSandboxSecurityContext;
  /** The pod's namespaces, which its containers ask for as well. */
  namespaces: NamespaceOption;
}

/** As Piece, for a pod: what is seen is the process of a container in it. */
export interface PodPiece {
  readonly label: string;
  readonly put: (draft: PodDraft) => void;
  readonly refused?: string;
  readonly holds: (outcome: { process: RunningProcess; status: PodSandboxStatus }) => void;
}

const pod = (made: PodPiece): PodPiece & { [fc.toStringMethod]: () => string } => ({
  ...made,
  [fc.toStringMethod]: () => made.label,
});
const badPod = (field: string, label: string, put: PodPiece['put']): PodPiece =>
  pod({ label: `${label} (bad)`, put, refused: field, holds: () => undefined });

/** Inode of a namespace, namespaces(7). */
const namespaceOf = (pid: number | 'self', name: string) => fs.readlinkSync(`/proc/${pid}/ns/${name}`);
const ofHost = (pid: number, name: string) => namespaceOf(pid, name) === namespaceOf('self', name);

/** Which namespaces are the pod's own, the container's or the host's; settings of the own ones. */
export const namespaces: fc.Arbitrary<PodPiece> = fc
  .record({
    network: fc.constantFrom('bridge', 'none', 'host'),
    pid: fc.constantFrom('POD', 'CONTAINER', 'NODE'),
    ipc: fc.constantFrom('POD', 'NODE'),
    ownUsers: fc.boolean(),
    sysctls: fc.boolean(),
  })
  .map(({ network, pid, ipc, ownUsers, ...rest }) => {
    // A user namespace owns the pod's other namespaces: the host's can't be among them.
    const users = ownUsers && network !== 'host' && ipc !== 'NODE' && pid !== 'NODE';
    const sysctls = rest.sysctls && network !== 'host' && ipc !== 'NODE';
    return pod({
      label: `namespaces ${JSON.stringify({ network, pid, ipc, users, sysctls })}`,
      put: (draft) => {
        draft.namespaces = newNamespaceOption({
          network: network === 'host' ? 'NODE' : 'POD',
          pid: pid as NamespaceOption['pid'],
          ipc: ipc as NamespaceOption['ipc'],
          userns_options: users ? mapped() : null,
        });
        if (network === 'none') draft.config.annotations = { 'nodelet.dev/network': 'none' };
        if (sysctls) {
          draft.sysctls['kernel.shm_rmid_forced'] = '1';
          draft.sysctls['net.ipv4.ip_unprivileged_port_start'] = '77';
        }
      },
      holds: ({ process, status }) => {
        expect(ofHost(process.pid, 'net'), 'network').to.equal(network === 'host');
        expect(ofHost(process.pid, 'pid'), 'pid').to.equal(pid === 'NODE');
        expect(ofHost(process.pid, 'ipc'), 'ipc').to.equal(ipc === 'NODE');
        expect(ofHost(process.pid, 'user'), 'user').to.equal(!users);
        expect(process.status('NSpid').at(-1) === '1', 'process 1').to.equal(pid === 'CONTAINER');
        expect((status.network?.ip ?? '') !== '', 'address').to.equal(network === 'bridge');
        const told = status.linux?.namespaces?.options;
        expect([told?.network, told?.pid, told?.ipc]).to.deep.equal([
          network === 'host' ? 'NODE' : 'POD',
          pid,
          ipc,
        ]);
        if (users) {
          const map = fs.readFileSync(`/proc/${process.pid}/uid_map`, 'utf8').trim().split(/\s+/);
          expect(map).to.deep.equal(['0', '200000', '65536']);
          expect(fs.statSync(process.inRoot('/etc/passwd')).uid).to.equal(200_000);
        }
      },
    });
  });

const mapping = (set: object = {}) =>
  newIDMapping({ host_id: 200_000, container_id: 0, length: 65_536, ...set });
const mapped = (set: object = {}) =>
  newUserNamespace({ mode: 'POD', uids: [mapping(set)], gids: [mapping(set)] });

/** The pod's name and where it looks up others. */
export const names: fc.Arbitrary<PodPiece> = fc
  .record({
    hostname: fc.constantFrom('web-0', 'a'.repeat(63)),
    servers: fc.subarray(['10.9.8.7', '10.9.8.6']),
    searches: fc.subarray(['a.example', 'b.example']),
    options: fc.subarray(['ndots:3', 'timeout:1']),
  })
  .map(({ hostname, servers, searches, options }) =>
    pod({
      label: `names ${JSON.stringify({ hostname, servers, searches, options })}`,
      put: ({ config }) => {
        config.hostname = hostname;
        config.dns_config = newDNSConfig({ servers: ['10.9.8.5', ...servers], searches, options });
      },
      holds: ({ process, status }) => {
        if (status.linux?.namespaces?.options?.network !== 'NODE') {
          expect(process.env.get('HOSTNAME')).to.equal(hostname);
        }
        const lines = fs.readFileSync(process.inRoot('/etc/resolv.conf'), 'utf8').trim().split('\n');
        const wanted = ['10.9.8.5', ...servers].map((address) => `nameserver ${address}`);
        if (searches.length > 0) wanted.push(`search ${searches.join(' ')}`);
        if (options.length > 0) wanted.push(`options ${options.join(' ')}`);
        expect(lines.sort()).to.deep.equal(wanted.sort());
      },
    }),
  );

/** Wishes that can't be met. */
export const badPods: fc.Arbitrary<PodPiece> = fc.constantFrom(
  badPod('config.linux.sysctls["vm.swappiness"]', 'sysctl of the machine', ({ sysctls }) => {
    sysctls['vm.swappiness'] = '1';
  }),
  badPod('config.linux.sysctls["net.ipv4.nonsense"]', 'sysctl that is nowhere', (draft) => {
    draft.namespaces = newNamespaceOption();
    draft.sysctls['net.ipv4.nonsense'] = '1';
  }),
  badPod(
    'config.linux.security_context.namespace_options.network',
    'network of a target',
    ({ namespaces }) => {
      namespaces.network = 'TARGET';
    },
  ),
  badPod('config.linux.security_context.namespace_options.userns_options', 'no root', ({ namespaces }) => {
    Object.assign(namespaces, newNamespaceOption({ userns_options: mapped({ container_id: 5 }) }));
  }),
  badPod(
    'config.linux.security_context.namespace_options.userns_options',
    'two mappings',
    ({ namespaces }) => {
      const users = newUserNamespace({
        ...mapped(),
        uids: [mapping(), mapping({ host_id: 300_000, container_id: 65_536 })],
      });
      Object.assign(namespaces, newNamespaceOption({ userns_options: users }));
    },
  ),
  badPod('config.hostname', 'hostname of 65 bytes', ({ config }) => (config.hostname = 'x'.repeat(65))),
  badPod('config.log_directory', 'relative folder', ({ config }) => (config.log_directory = 'logs')),
);
