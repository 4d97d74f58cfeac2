import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { newCheckpointContainerRequest, newImageSpec } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

/** crun with what Debian's lacks: `checkpoint` writes what it was called with, freezes the container and fails on demand. */
const standInRuntime = (dir: string) => `#!/bin/sh
case "$*" in
  *--version*) echo "crun version 9"; echo "+CRIU"; exit 0;;
  *" checkpoint "*)
    while [ $# -gt 0 ]; do
      case "$1" in --image-path) images=$2;; --work-path) work=$2;; esac
      last=$1; shift
    done
    for g in /sys/fs/cgroup/freezer/nodelet-*/pod*/$last; do echo FROZEN > $g/freezer.state; done
    echo pages > $images/pages-1.img; echo log > $work/dump.log
    [ ! -e ${dir}/slow ] || exec sleep 1000
    [ ! -e ${dir}/fail ] || { echo "CRIU checkpointing failed -52" >&2; exit 1; }
    exit 0;;
esac
exec /usr/bin/crun "$@"
`;

describe('pods: checkpoints of containers (real crun and tar, a stand-in for CRIU)', () => {
  let node: RealNode;
  let pods: PodClient;
  let dir = '';
  const searched = process.env['PATH'];
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nlcheckpoint-'));
    const program = (name: string, text: string) => {
      fs.writeFileSync(path.join(dir, name), text, { mode: 0o755 });
      return path.join(dir, name);
    };
    program('criu', '#!/bin/sh\nexit 0\n');
    node = await startRealNode({
      config: {
        runtimes: {
          crun: { path: '/usr/bin/crun' },
          runc: { path: '/usr/sbin/runc' },
          able: { path: program('able', standInRuntime(dir)) },
        },
      },
    });
    pods = await PodClient.on(node);
  });
  beforeEach(() => fs.mkdirSync(path.join(dir, 'out')));
  afterEach(() => {
    process.env['PATH'] = searched;
    for (const name of ['out', 'slow', 'fail'])
      fs.rmSync(path.join(dir, name), { recursive: true, force: true });
  });
  after(async () => {
    await node.dispose();
    fs.rmSync(dir, { recursive: true });
  });

  const location = () => path.join(dir, 'out', 'checkpoint.tar');
  const checkpoint = (id: string, set: { location?: string; timeout?: string } = {}) =>
    node.cri.runtime.CheckpointContainer(
      newCheckpointContainerRequest({ container_id: id, location: location(), ...set }),
      node.ctx,
    );
  /** The container answers, so it isn't frozen; and nothing of a checkpoint is left. */
  const expectAsBefore = async (id: string) => {
    expect(await pods.shell(id, 'echo alive')).to.equal('alive');
    expect(fs.readdirSync(path.join(dir, 'out'))).to.deep.equal([]);
    const work = `${node.config.rootDir}/checkpoints`;
    expect(fs.existsSync(work) ? fs.readdirSync(work) : []).to.deep.equal([]);
  };
  const useStandIn = () => {
    process.env['PATH'] = `${dir}:${searched}`;
  };
  const changed = { command: ['sh', '-c', 'echo new > /new; rm /bin/rmdir; echo done; exec sleep 1000'] };
  const runChanged = async (handler: string): Promise<string> => {
    const id = await pods.run(await pods.runPod({}, handler), changed);
    await waitFor('its changes', async () => (await pods.logText(id)) === 'done');
    return id;
  };

  it('are archives of images, spec, config and changed files, and the container goes on', async () => {
    useStandIn();
    const id = await runChanged('able');
    fs.writeFileSync(location(), 'old');
    await checkpoint(id, { timeout: '60' });
    const list = execFileSync('tar', ['-tf', location()], { encoding: 'utf8' }).split('\n');
    expect(list).to.include.members([
      'checkpoint/pages-1.img',
      'config.dump',
      'deleted.files',
      'dump.log',
      'rootfs-diff.tar',
      'spec.dump',
      'status.dump',
    ]);
    const inside = (name: string) => execFileSync('tar', ['-xOf', location(), name]);
    expect(JSON.parse(inside('config.dump').toString())).to.deep.include({ id, runtime: 'able' });
    expect(JSON.parse(inside('deleted.files').toString())).to.deep.equal(['bin/rmdir']);
    const diff = execFileSync('tar', ['-tf', '-'], { input: inside('rootfs-diff.tar'), encoding: 'utf8' });
    expect(diff.split('\n')).to.include('./new').and.not.include('./bin/rmdir');
    expect(fs.statSync(location()).mode & 0o777).to.equal(0o600);
    fs.rmSync(location());
    await expectAsBefore(id);
  });

  it('that fail or take too long leave nothing, and the container running', async () => {
    useStandIn();
    const id = await runChanged('able');
    fs.writeFileSync(path.join(dir, 'fail'), '');
    const failed = await failure(checkpoint(id));
    expect(failed).to.include({ kind: 'tool-failed' });
    expect(failed.message).to.contain('CRIU checkpointing failed -52');
    await expectAsBefore(id);
    fs.writeFileSync(path.join(dir, 'slow'), '');
    const late = await failure(checkpoint(id, { timeout: '1' }));
    expect(late).to.include({ kind: 'deadline' });
    expect(late.message).to.match(/^timeout: /);
    await expectAsBefore(id);
  });

  it('are refused with what is missing: in the runtime, in CRIU, in the request', async () => {
    const plain = await runChanged('crun');
    const runtime = await failure(checkpoint(plain));
    if (/crun was built without CRIU/.test(runtime.message)) {
      expect(runtime).to.include({ kind: 'unsupported' });
    }
    const able = await runChanged('able');
    process.env['PATH'] = '/nonexistent';
    const absent = await failure(checkpoint(able));
    expect(absent).to.include({ kind: 'unsupported' });
    expect(absent.message).to.match(/CRIU is not installed.*; install criu/);
    process.env['PATH'] = `${dir}/old:${searched}`;
    fs.mkdirSync(path.join(dir, 'old'));
    const complaint = 'Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds';
    const old = `#!/bin/sh\n[ "$1" = --version ] && { echo "Version: 3.17.1"; exit 0; }\necho "${complaint}" >&2; exit 1\n`;
    fs.writeFileSync(path.join(dir, 'old', 'criu'), old, { mode: 0o755 });
    const unfit = await failure(checkpoint(able));
    expect(unfit).to.include({ kind: 'unsupported' });
    expect(unfit.message).to.contain('CRIU 3.17.1 does not work on this kernel: vdso: Unexpected rt vDSO');
    useStandIn();
    for (const set of [
      { location: '' },
      { location: 'here.tar' },
      { location: `${dir}/absent/x.tar` },
      { location: `${dir}/out` },
    ]) {
      expect((await failure(checkpoint(able, set))).message, set.location).to.match(/^location: /);
    }
    expect((await failure(checkpoint(able, { timeout: '-1' }))).message).to.match(/^timeout: /);
    await expectAsBefore(able);
    const created = await pods.create(await pods.runPod({}, 'able'));
    expect(await failure(checkpoint(created))).to.include({ kind: 'wrong-state' });
    const image = newImageSpec({ image: '/var/lib/kubelet/checkpoints/c.tar' });
    const restore = await failure(pods.create(await pods.runPod(), { image }));
    expect(restore).to.include({ kind: 'unsupported' });
    expect(restore.message).to.match(/^config\.image\.image: /);
  });
});
