import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import {
  newContainerFilter,
  newContainerMetadata,
  newContainerStateValue,
  newImageSpec,
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newLinuxContainerSecurityContext,
  newListContainersRequest,
  newNamespaceOption,
  newRemoveContainerRequest,
  newReopenContainerLogRequest,
  newStopContainerRequest,
} from '../../../src/ports/cri/messages.js';
import type { ContainerConfig, ContainerFilter } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const nsPerMs = 1_000_000n;
const script = (line: string): Partial<ContainerConfig> => ({ command: ['sh', '-c', line] });

/** Whether a process catches, or ignores, a signal; its status file, proc(5). */
function handles(pid: number, field: 'SigCgt' | 'SigIgn', signal: number): boolean {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const mask = new RegExp(`^${field}:\\s*(\\w+)$`, 'm').exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

describe('pods: the life of a container (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
    sandbox = await pods.runPod();
  });
  after(() => node.dispose());

  const stop = (id: string, seconds: number) =>
    node.cri.runtime.StopContainer(
      newStopContainerRequest({ container_id: id, timeout: String(seconds) }),
      node.ctx,
    );
  const remove = (id: string) =>
    node.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), node.ctx);
  const list = async (filter: Partial<ContainerFilter>) => {
    const request = newListContainersRequest({ filter: newContainerFilter(filter) });
    return (await node.cri.runtime.ListContainers(request, node.ctx)).containers.map(({ id }) => id);
  };
  const aliveIn = (id: string) =>
    fs.readdirSync('/proc').filter((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id);
      } catch {
        return false;
      }
    });

  it('goes from created over running to exited, with the times, the code and the reason of its end', async () => {
    const id = await pods.create(sandbox, script('exit 3'));
    const created = await pods.status(id);
    expect(created.state).to.equal('CONTAINER_CREATED');
    expect([created.started_at, created.finished_at, created.exit_code]).to.deep.equal(['0', '0', 0]);
    await pods.start(id);
    const ended = await pods.exited(id);
    expect(ended).to.include({ exit_code: 3, reason: 'Error' });
    const times = [created.created_at, ended.started_at, ended.finished_at].map(BigInt);
    const now = BigInt(Date.now()) * nsPerMs;
    expect([...times].sort((a, b) => (a < b ? -1 : 1))).to.deep.equal(times);
    expect(times.every((time) => now - time < 60_000n * nsPerMs && time <= now + 1000n * nsPerMs)).to.equal(
      true,
    );
    const fine = await pods.run(sandbox, script('exit 0'));
    expect(await pods.exited(fine)).to.include({ exit_code: 0, reason: 'Completed' });
    const killed = await pods.run(sandbox, script('kill -9 $$'));
    // A process 1 of a namespace of its own is out of reach of its own signals.
    expect((await pods.exited(killed)).exit_code).to.equal(137);
  });

  it('tells in its status what it was asked for and what it runs', async () => {
    const metadata = newContainerMetadata({ name: 'told', attempt: 4 });
    const image = newImageSpec({ image: await node.image(), user_specified_image: 'busybox' });
    const id = await pods.run(sandbox, {
      metadata,
      image,
      labels: { app: 'x' },
      annotations: { note: 'y' },
      log_path: 'told/4.log',
      stop_signal: 'SIGQUIT',
      linux: newLinuxContainerConfig({ resources: newLinuxContainerResources({ cpu_shares: '100' }) }),
    });
    const status = await pods.status(id);
    expect(status).to.deep.include({ id, metadata, labels: { app: 'x' }, annotations: { note: 'y' } });
    expect(status.image).to.deep.equal(image);
    expect(status.image_id).to.match(/^sha256:[0-9a-f]{64}$/);
    expect(status.image_ref).to.match(/^127\.0\.0\.1:\d+\/busybox@sha256:[0-9a-f]{64}$/);
    expect(status.log_path).to.equal(`${pods.podConfigOf(sandbox).log_directory}/told/4.log`);
    expect(status.stop_signal).to.equal('SIGQUIT');
    expect(status.resources?.linux?.cpu_shares).to.equal('100');
    expect(status.user?.linux).to.deep.include({ uid: '0', gid: '0' });
    // A start is answered when the OCI runtime lets go of the process, which then becomes the command.
    const command = `/proc/${await pods.pid(id)}/cmdline`;
    await waitFor('the command', () => fs.readFileSync(command, 'utf8') === 'sleep\x001000000\x00');
  });

  it('tells of an OOM kill, and leaves no file of it where the node was started', async () => {
    const resources = newLinuxContainerResources({ memory_limit_in_bytes: String(16 << 20) });
    const hungry = script('exec tail /dev/zero');
    const id = await pods.run(sandbox, { ...hungry, linux: newLinuxContainerConfig({ resources }) });
    expect(await pods.exited(id)).to.include({ exit_code: 137, reason: 'OOMKilled' });
    expect(fs.existsSync(path.resolve('oom'))).to.equal(false);
  });

  it('fails to start by a clear error, and stays as exited', async () => {
    const id = await pods.create(sandbox, { command: ['/no/such/program'] });
    const error = await failure(pods.start(id));
    expect(error).to.include({ kind: 'invalid' });
    expect(error.message).to.match(/^config\.command: .*no\/such\/program/);
    const status = await pods.status(id);
    expect(status).to.include({ state: 'CONTAINER_EXITED', exit_code: 128, reason: 'StartError' });
    expect(status.message).to.contain('/no/such/program');
    expect(aliveIn(id)).to.deep.equal([]);
    expect(await failure(pods.start(id))).to.include({ kind: 'wrong-state' });
    await remove(id);
    expect(await failure(pods.status(id))).to.include({ kind: 'not-found' });
  });

  it('writes its log in the CRI format: both streams, parts of long lines, what has no newline', async () => {
    const line = 'echo out; echo err >&2; head -c 20000 /dev/zero | tr "\\0" x; echo; printf end';
    const id = await pods.run(sandbox, script(line));
    await pods.exited(id);
    const lines = await pods.logLines(id);
    const of = (stream: string) => lines.filter((entry) => entry.stream === stream);
    expect(of('stderr').map(({ tag, text }) => [tag, text])).to.deep.equal([['F', 'err']]);
    expect(of('stdout').map(({ tag, text }) => tag + text)[0]).to.equal('Fout');
    expect(lines.filter(({ tag }) => tag === 'P')).not.to.be.empty;
    expect((await pods.logText(id)).replace('err\n', '')).to.equal(`out\n${'x'.repeat(20_000)}\nend`);
    for (const { timestamp } of lines) {
      expect(timestamp).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d)$/);
    }
  });

  it('goes on in a new log file after the old one was renamed, no line lost', async () => {
    const id = await pods.run(
      sandbox,
      script('i=0; while [ $i -lt 150 ]; do echo $i; i=$((i+1)); usleep 2000; done'),
    );
    const { log_path: path } = await pods.status(id);
    await waitFor('the first lines', () => fs.statSync(path).size > 0);
    fs.renameSync(path, `${path}.1`);
    await node.cri.runtime.ReopenContainerLog(newReopenContainerLogRequest({ container_id: id }), node.ctx);
    expect(fs.existsSync(path)).to.equal(true);
    await pods.exited(id);
    const texts = [`${path}.1`, path].map((file) => fs.readFileSync(file, 'utf8'));
    const numbers = texts.map((text) => text.split('\n').flatMap((line) => line.split(' ')[3] ?? []));
    expect(numbers.flat()).to.deep.equal(Array.from({ length: 150 }, (_, index) => String(index)));
    expect(numbers[1]).not.to.be.empty;
    const late = await failure(
      node.cri.runtime.ReopenContainerLog(newReopenContainerLogRequest({ container_id: id }), node.ctx),
    );
    expect(late).to.include({ kind: 'wrong-state' });
  });

  it('has a terminal where asked, and takes stdin and stdin_once', async () => {
    const id = await pods.run(sandbox, { ...script('tty; echo $TERM; exit 0'), tty: true });
    await pods.exited(id);
    expect((await pods.logText(id)).replaceAll('\r', '')).to.match(/^\/dev\/(pts\/\d+|console)\nxterm$/);
    const open = await pods.run(sandbox, { command: ['cat'], stdin: true, stdin_once: true });
    const closed = await pods.run(sandbox, { command: ['cat'] });
    expect((await pods.exited(closed)).exit_code).to.equal(0);
    expect((await pods.status(open)).state).to.equal('CONTAINER_RUNNING');
    await stop(open, 0);
  });

  it("stops by the image's signal, the request's, and SIGKILL after the patience", async () => {
    const trapping =
      'trap "exit 10" TERM; trap "exit 11" USR1; trap "exit 12" QUIT; while :; do usleep 10000; done';
    const image = newImageSpec({ image: await node.image({ stopSignal: 'SIGUSR1' }) });
    const cases: [Partial<ContainerConfig>, number][] = [
      [{}, 10],
      [{ image }, 11],
      [{ image, stop_signal: 'SIGQUIT' }, 12],
    ];
    for (const [set, code] of cases) {
      const id = await pods.run(sandbox, { ...script(`${trapping}`), ...set });
      const pid = await pods.pid(id);
      await waitFor('the last trap', () => handles(pid, 'SigCgt', os.constants.signals.SIGQUIT));
      await stop(id, 20);
      expect((await pods.status(id)).exit_code).to.equal(code);
    }
    const deaf = await pods.run(sandbox, script('trap "" TERM; while :; do sleep 1; done'));
    const deafPid = await pods.pid(deaf);
    await waitFor('deafness', () => handles(deafPid, 'SigIgn', os.constants.signals.SIGTERM));
    await stop(deaf, 1);
    expect(await pods.status(deaf)).to.include({ exit_code: 137, reason: 'Error' });
    const quick = await pods.run(sandbox);
    await stop(quick, 0);
    expect((await pods.status(quick)).exit_code).to.equal(137);
    await stop(quick, 5);
    await stop('0123456789abcdef', 5);
  });

  it('takes all its processes along when it ends, also in a shared PID namespace', async () => {
    const id = await pods.run(sandbox, script('sleep 1000 & sleep 1001 & exec sleep 1002'));
    await waitFor('three processes', () => aliveIn(id).length === 3);
    await stop(id, 0);
    await waitFor('none is left', () => aliveIn(id).length === 0);
    const own = await pods.run(sandbox, {
      ...script('sleep 1000 & exit 0'),
      linux: newLinuxContainerConfig({
        security_context: newLinuxContainerSecurityContext({
          namespace_options: newNamespaceOption({ pid: 'CONTAINER' }),
        }),
      }),
    });
    await pods.exited(own);
    await waitFor('none is left', () => aliveIn(own).length === 0);
    const left = await pods.run(sandbox, script('sleep 1000 & exit 0'));
    await pods.exited(left);
    await waitFor('none is left', () => aliveIn(left).length === 0);
  });

  it('is removed while it runs, and removing what is gone succeeds', async () => {
    const id = await pods.run(sandbox);
    await remove(id);
    await waitFor('none is left', () => aliveIn(id).length === 0);
    await remove(id);
    expect(await list({ id })).to.deep.equal([]);
  });

  it('tells labels and annotations to the letter, in its status and in lists', async () => {
    const words = { '': '', ' a ': 'ü\n"\\', 'x/y.z': '{"k": [1]}', __proto__x: 'long '.repeat(2000) };
    const id = await pods.create(sandbox, { labels: words, annotations: words });
    const { labels, annotations } = await pods.status(id);
    const { containers } = await node.cri.runtime.ListContainers(newListContainersRequest(), node.ctx);
    const item = containers.find((container) => container.id === id);
    for (const told of [labels, annotations, item?.labels, item?.annotations]) {
      expect(told).to.deep.equal(words);
    }
  });

  it('is listed by id prefix, pod, state and labels', async () => {
    const a = await pods.run(sandbox, { labels: { app: 'listed', tier: 'front' } });
    const b = await pods.create(sandbox, { labels: { app: 'listed' } });
    const state = (name: 'CONTAINER_RUNNING' | 'CONTAINER_CREATED') =>
      newContainerStateValue({ state: name });
    const label_selector = { app: 'listed' };
    expect(await list({ label_selector })).to.have.members([a, b]);
    expect(await list({ label_selector, state: state('CONTAINER_CREATED') })).to.deep.equal([b]);
    expect(await list({ label_selector, state: state('CONTAINER_RUNNING') })).to.deep.equal([a]);
    expect(await list({ label_selector: { app: 'listed', tier: 'front' } })).to.deep.equal([a]);
    expect(await list({ id: a.slice(0, 12) })).to.deep.equal([a]);
    expect(await list({ label_selector, pod_sandbox_id: sandbox.slice(0, 13) })).to.have.members([a, b]);
    expect(await list({ label_selector, pod_sandbox_id: 'ffff' })).to.deep.equal([]);
  });

  it('is refused with the right code: no image, a name used twice, no such sandbox, no config', async () => {
    const image = newImageSpec({ image: '127.0.0.1:1/none:1' });
    const missing = await failure(pods.create(sandbox, { image }));
    expect(missing).to.include({ kind: 'not-found' });
    expect(missing.message).to.match(/^config\.image\.image: .*none:1/);
    const metadata = newContainerMetadata({ name: 'twice' });
    const first = await pods.create(sandbox, { metadata });
    const twice = await failure(pods.create(sandbox, { metadata }));
    expect(twice).to.include({ kind: 'exists' });
    expect(twice.message).to.contain(first);
    await pods.create(sandbox, { metadata: { ...metadata, attempt: 1 } });
    expect(await failure(pods.create('0123456789abcdef'))).to.include({ kind: 'not-found' });
    const none = await failure(
      node.cri.runtime.CreateContainer(
        { pod_sandbox_id: sandbox, config: null, sandbox_config: null },
        node.ctx,
      ),
    );
    expect(none).to.include({ kind: 'invalid' });
    expect(none.message).to.match(/^config:/);
  });
});
