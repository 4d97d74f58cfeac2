import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { newRemoveContainerRequest, newStopPodSandboxRequest } from '../../../src/ports/cri/messages.js';
import { PodClient } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

/** Pids of processes that name `text` in their command line. */
function pidsNaming(text: string): number[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    });
}

/** /proc/PID/cgroup also names hierarchies that are mounted nowhere any more, where nobody can move anything. */
function mountedHierarchies(): string[] {
  return fs
    .readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
}

/** The cgroups named `name` that exist, over all hierarchies. */
function groups(name: string): string[] {
  const root = '/sys/fs/cgroup';
  return ['', ...fs.readdirSync(root)]
    .map((dir) => `${root}/${dir}/${name}`)
    .filter((dir) => fs.existsSync(dir));
}

describe('runtime: what is around a container (real crun and conmon)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  after(() => node.dispose());

  it("keeps the monitor out of the agent's cgroups, also when its own have been removed meanwhile", async () => {
    const sandbox = await pods.runPod();
    for (let round = 0; round < 2; round++) {
      const id = await pods.run(sandbox);
      const [monitor, ...others] = pidsNaming(id);
      expect(others).to.deep.equal([]);
      const group = `${node.config.cgroupParent}/monitors`;
      const without = mountedHierarchies().filter((dir) => {
        const pids = fs.readFileSync(`${dir}${group}/cgroup.procs`, 'utf8').split('\n');
        return !pids.includes(String(monitor));
      });
      expect(without, 'hierarchies in which it is elsewhere').to.deep.equal([]);
      await node.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), node.ctx);
      await waitFor('the monitor has left its group', () => {
        try {
          for (const dir of groups(group)) fs.rmdirSync(dir);
          return true;
        } catch {
          return false;
        }
      });
    }
    await pods.removePod(sandbox);
  });

  it('starts the first containers of a node side by side, whoever makes the group of their monitors', async () => {
    const fresh = await startRealNode();
    try {
      const first = await PodClient.on(fresh);
      const sandboxes = await Promise.all(Array.from({ length: 6 }, () => first.runPod()));
      const ids = await Promise.all(sandboxes.map((sandbox) => first.run(sandbox)));
      expect(ids.map((id) => pidsNaming(id).length)).to.deep.equal(ids.map(() => 1));
    } finally {
      await fresh.dispose();
    }
  });

  it('leaves nothing of a container that has ended, nor of what lives on in its group', async () => {
    const sandbox = await pods.runPod();
    const state = (id: string) => fs.existsSync(`${node.config.runDir}/oci/crun/${id}`);
    const group = (id: string) => `${node.config.cgroupParent}/pod${sandbox}/${id}`;
    const id = await pods.run(sandbox);
    expect({ state: state(id), groups: groups(group(id)).length > 0 }).to.deep.equal({
      state: true,
      groups: true,
    });

    // Put into its group from outside, it isn't ended by the end of the container's own processes.
    const stranger = spawn('sleep', ['1000000'], { stdio: 'ignore' });
    const end = once(stranger, 'exit');
    for (const dir of groups(group(id))) fs.writeFileSync(`${dir}/cgroup.procs`, String(stranger.pid));
    await node.cri.runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: sandbox }), node.ctx);
    expect(await end).to.deep.equal([null, 'SIGKILL']);
    for (const gone of [id, sandbox]) {
      expect({ state: state(gone), groups: groups(group(gone)) }).to.deep.equal({ state: false, groups: [] });
    }
    await pods.removePod(sandbox);
  });
});

describe('runtime: a daemon whose working folder is removed (real crun and conmon)', () => {
  let cwd = '';
  let node: RealNode;
  before(async () => {
    cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-cwd-'));
    node = await startRealNode({ as: 'child', cwd });
  });
  after(async () => {
    await node.dispose();
    fs.rmSync(cwd, { recursive: true, force: true });
  });

  it('starts containers all the same', async () => {
    const pods = await PodClient.on(node);
    fs.rmdirSync(cwd);
    const sandbox = await pods.runPod();
    const id = await pods.run(sandbox);
    expect(await pods.shell(id, 'echo up')).to.equal('up');
    await pods.removePod(sandbox);
  });
});
