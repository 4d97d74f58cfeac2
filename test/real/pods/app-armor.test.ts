import fs from 'node:fs';
import { expect } from 'chai';
import {
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newSecurityProfile,
} from '../../../src/ports/cri/messages.js';
import type { ProfileType } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const enabled = () => {
  const file = '/sys/module/apparmor/parameters/enabled';
  return fs.existsSync(file) && fs.readFileSync(file, 'utf8').startsWith('Y');
};

describe('pods: AppArmor (real kernel)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
    sandbox = await pods.runPod();
  });
  after(() => node.dispose());

  const confined = (profile_type: ProfileType, localhost_ref = '') => {
    const apparmor = newSecurityProfile({ profile_type, localhost_ref });
    const security_context = newLinuxContainerSecurityContext({ apparmor });
    return { linux: newLinuxContainerConfig({ security_context }) };
  };

  it('confines a container as it asks where the kernel has it, also a command in it, and is not missed elsewhere', async () => {
    const id = await pods.run(sandbox, confined('RuntimeDefault'));
    const free = await pods.run(sandbox, confined('Unconfined'));
    if (!enabled()) return;
    const profiles = async (of: string) => [
      fs.readFileSync(`/proc/${await pods.pid(of)}/attr/current`, 'utf8').trim(),
      await pods.shell(of, 'cat /proc/self/attr/current'),
    ];
    expect(await profiles(id)).to.deep.equal(Array(2).fill('nodelet-default (enforce)'));
    expect(await profiles(free)).to.deep.equal(Array(2).fill('unconfined'));
    const written = await pods.exec(id, 'sh', '-c', 'echo 1 > /proc/sys/kernel/panic');
    expect(written.exitCode, 'write to /proc/sys').not.to.equal(0);
  });

  it('that can’t be had is refused by its name', async () => {
    const error = await failure(pods.create(sandbox, confined('Localhost', 'localhost/no-such-profile')));
    expect(error.message).to.match(/^config\.linux\.security_context\.apparmor/);
    expect(error.kind).to.equal(enabled() ? 'invalid' : 'unsupported');
  });
});
