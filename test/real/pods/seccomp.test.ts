import fs from 'node:fs';
import { expect } from 'chai';
import {
  newCapability,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newSecurityProfile,
} from '../../../src/ports/cri/messages.js';
import type {
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
} from '../../../src/ports/cri/messages.js';
import { seccompDefault } from '../../../src/spec/security/seccomp-default.js';
import { PodClient, failure, secured } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

type Asked = Partial<LinuxContainerSecurityContext>;
const blocks = (...names: string[]) =>
  JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names, action: 'SCMP_ACT_ERRNO' }] });
const sysAdmin = newCapability({ add_capabilities: ['SYS_ADMIN'] });

for (const handler of ['crun', 'runc']) {
  describe(`pods: seccomp (real ${handler})`, () => {
    let node: RealNode;
    let pods: PodClient;
    let sandbox = '';
    before(async () => {
      node = await startRealNode();
      pods = await PodClient.on(node);
      sandbox = await pods.runPod({}, handler);
    });
    after(() => node.dispose());

    const profile = (name: string, text: string) => {
      fs.writeFileSync(`${node.dir}/${name}`, text);
      return `${node.dir}/${name}`;
    };
    const localhost = (localhost_ref: string) =>
      newSecurityProfile({ profile_type: 'Localhost', localhost_ref });
    const podOf = (set: Partial<LinuxSandboxSecurityContext>) =>
      pods.runPod(
        { linux: newLinuxPodSandboxConfig({ security_context: newLinuxSandboxSecurityContext(set) }) },
        handler,
      );
    /** `Seccomp:` of process 1 and of an exec: 0 none, 2 a filter. */
    async function filters(container: string): Promise<string> {
      const inside = await pods.shell(container, 'grep "^Seccomp:" /proc/self/status | cut -f 2');
      return `${(await pods.processStatus(container))['Seccomp'] ?? ''} ${inside}`;
    }
    const setHostname = async (container: string) =>
      (await pods.exec(container, 'hostname', 'ANewHostName')).exitCode === 0;

    const forms: [what: string, set: () => Asked, filtered: string][] = [
      ['unconfined', () => ({ seccomp: newSecurityProfile({ profile_type: 'Unconfined' }) }), '0 0'],
      ['unconfined where nothing is asked for', () => ({}), '0 0'],
      ['the default', () => ({ seccomp: newSecurityProfile({ profile_type: 'RuntimeDefault' }) }), '2 2'],
      ['a file', () => ({ seccomp: localhost(profile('a.json', blocks('chroot'))) }), '2 2'],
      ['unconfined, the old way', () => ({ seccomp_profile_path: 'unconfined' }), '0 0'],
      ['the default, the old way', () => ({ seccomp_profile_path: 'runtime/default' }), '2 2'],
      ['the default, an older way', () => ({ seccomp_profile_path: 'docker/default' }), '2 2'],
      [
        'a file, the old way',
        () => ({ seccomp_profile_path: `localhost/${profile('b.json', blocks('chroot'))}` }),
        '2 2',
      ],
    ];
    for (const [what, set, filtered] of forms) {
      it(`is ${what}, for execs too`, async () => {
        expect(await filters(await pods.run(sandbox, secured(set())))).to.equal(filtered);
      });
    }

    it('by a file blocks the calls it names, in the container and in an infra container', async () => {
      const seccomp = localhost(profile('chmod.json', blocks('chmod', 'fchmodat', 'fchmodat2')));
      const pod = await podOf({ seccomp });
      const { exitCode, stderr } = await pods.exec(
        await pods.run(pod, secured({ seccomp })),
        'chmod',
        '400',
        '/',
      );
      expect(exitCode).not.to.equal(0);
      expect(stderr).to.match(/Operation not permitted/);
      const free = await pods.exec(await pods.run(pod), 'chmod', '755', '/');
      expect(free.exitCode, free.stderr).to.equal(0);
    });

    it('is what keeps a holder of CAP_SYS_ADMIN from setting the hostname, and the capability what lets it', async () => {
      const of = async (set: Asked) => setHostname(await pods.run(sandbox, secured(set)));
      const byDefault = newSecurityProfile({ profile_type: 'RuntimeDefault' });
      const blocked = localhost(profile('hostname.json', blocks('sethostname')));
      expect(await of({ capabilities: sysAdmin })).to.equal(true);
      expect(await of({ capabilities: sysAdmin, seccomp: blocked })).to.equal(false);
      expect(await of({ capabilities: sysAdmin, seccomp: byDefault })).to.equal(true);
      expect(await of({ seccomp: byDefault })).to.equal(false);
    });

    it('by default blocks what no container needs, whatever capabilities it has', async () => {
      const seccomp = newSecurityProfile({ profile_type: 'RuntimeDefault' });
      const swapoff = async (set: Asked) => {
        const container = await pods.run(sandbox, secured({ capabilities: sysAdmin, ...set }));
        return (await pods.exec(container, 'swapoff', '/etc/passwd')).stderr;
      };
      expect(await swapoff({})).to.match(/Invalid argument/);
      expect(await swapoff({ seccomp })).to.match(/Operation not permitted/);
    });

    it('of nodelet’s own, where the distribution brings none, lets programs be and blocks what rules the machine', async () => {
      const seccomp = localhost(profile('own.json', JSON.stringify(seccompDefault)));
      const container = await pods.run(sandbox, secured({ seccomp }));
      expect(
        await pods.shell(container, 'for n in 1 2 3; do (echo $n | cat) & done; wait; ls / | wc -l'),
      ).to.match(/\d+$/);
      expect((await pods.exec(container, 'unshare', '-U', 'true')).stderr).to.match(
        /Operation not permitted/,
      );
      expect(await setHostname(container)).to.equal(false);
      const holder = await pods.run(sandbox, secured({ seccomp, capabilities: sysAdmin }));
      expect(await setHostname(holder)).to.equal(true);
      expect((await pods.exec(holder, 'swapoff', '/etc/passwd')).stderr).to.match(/Operation not permitted/);
    });

    it('is ignored by a privileged container, wherever its profile is', async () => {
      const pod = await podOf({ privileged: true });
      const seccomp = localhost(`${node.dir}/absent.json`);
      const container = await pods.run(pod, secured({ privileged: true, seccomp }));
      expect(await filters(container)).to.equal('0 0');
      expect(await setHostname(container)).to.equal(true);
    });

    it('of the form that Docker and podman share counts by capability, errno and argument', async () => {
      const rule = (names: string[], rest: object) => ({ names, action: 'SCMP_ACT_ERRNO', ...rest });
      const text = JSON.stringify({
        defaultAction: 'SCMP_ACT_ALLOW',
        archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
        syscalls: [
          rule(['sethostname'], { excludes: { caps: ['CAP_SYS_ADMIN'] }, errnoRet: 38 }),
          rule(['chmod', 'fchmodat', 'fchmodat2'], { includes: { minKernel: '99.0' } }),
          // kill(1, 0x15): SIGTTIN alone.
          rule(['kill'], { args: [{ index: 1, value: 21, op: 'SCMP_CMP_EQ' }], errnoRet: 28 }),
        ],
      });
      const seccomp = localhost(profile('docker.json', text));
      const plain = await pods.run(sandbox, secured({ seccomp }));
      expect((await pods.exec(plain, 'hostname', 'x')).stderr).to.match(/Function not implemented/);
      expect((await pods.exec(plain, 'chmod', '755', '/')).exitCode).to.equal(0);
      expect((await pods.exec(plain, 'sh', '-c', 'sleep 9 & kill -21 $!')).stderr).to.match(/No space left/);
      expect((await pods.exec(plain, 'sh', '-c', 'sleep 9 & kill -9 $!')).exitCode).to.equal(0);
      expect(
        await setHostname(await pods.run(sandbox, secured({ seccomp, capabilities: sysAdmin }))),
      ).to.equal(true);
    });

    it('that lets no program start is told by its field when the container is started', async () => {
      const seccomp = localhost(profile('none.json', '{"defaultAction":"SCMP_ACT_ERRNO"}'));
      const container = await pods.create(sandbox, secured({ seccomp }));
      const error = await failure(pods.start(container));
      expect(error).to.include({ kind: 'invalid' });
      expect(error.message).to.match(/seccomp\.localhost_ref: .*none\.json lets no program start/);
      const { state, reason, message } = await pods.status(container);
      expect([state, reason, message]).to.deep.equal(['CONTAINER_EXITED', 'StartError', error.message]);
    });

    it('that can’t be read is refused at creation by field and place, with nothing left behind', async () => {
      const before = await pods.containersOf(sandbox);
      const refusals: [path: string, message: RegExp][] = [
        [`${node.dir}/absent.json`, /absent\.json: is not there/],
        [node.dir, /is no file/],
        ['/dev/zero', /is no file/],
        [profile('text.json', 'SCMP_ACT_ALLOW'), /is no JSON/],
        [profile('list.json', '[]'), /is no seccomp profile/],
        [
          profile('act.json', '{"defaultAction":"SCMP_ACT_FLY"}'),
          /defaultAction "SCMP_ACT_FLY" is no action/,
        ],
        [profile('listen.json', '{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}'), /listenerPath/],
      ];
      for (const [path, message] of refusals) {
        const error = await failure(pods.create(sandbox, secured({ seccomp: localhost(path) })));
        expect(error.message).to.match(/^config\.linux\.security_context\.seccomp\.localhost_ref: /);
        expect(error.message).to.match(message);
        const old = await failure(
          pods.create(sandbox, secured({ seccomp_profile_path: `localhost/${path}` })),
        );
        expect(old.message).to.match(/seccomp_profile_path: /);
        const pod = await failure(podOf({ seccomp: localhost(path) }));
        expect(pod.message, 'a pod').to.match(message);
      }
      expect(await pods.containersOf(sandbox)).to.deep.equal(before);
    });
  });
}
