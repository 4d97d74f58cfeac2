import { expect } from 'chai';
import type { OciSpec } from '../../src/spec/oci-spec-types.js';
import type { ContractFactory, ContractWorld } from './contract.js';
import { declareContract, eventually, outcomeOf } from './contract.js';

const [sigterm, sigkill] = [15, 9];
const forever = ['/bin/sleep', '1000'];
const jobOf = (seconds: string, code: number) => ['/bin/sh', '-c', `sleep ${seconds}; exit ${code}`];

/** One container of a case: its bundle in the world's folder, its state root, its cgroup. */
class Container {
  readonly id: string;
  readonly bundle: string;
  readonly cgroup: string;
  readonly root: string;

  constructor(
    private readonly world: ContractWorld,
    private readonly runtime: string,
    name = 'one',
  ) {
    this.id = `nlo${world.suffix}${name}`;
    this.bundle = `${world.dir}/${name}`;
    this.cgroup = `/nlc${world.suffix}/${name}`;
    this.root = `${world.dir}/state`;
  }

  /** Writes the bundle; its root has busybox as sh, sleep and true. */
  async prepare(args: string[], pidNamespace?: string): Promise<this> {
    const pid = pidNamespace === undefined ? { type: 'pid' } : { type: 'pid', path: pidNamespace };
    const spec = {
      ociVersion: '1.0.2',
      process: { terminal: false, user: { uid: 0, gid: 0 }, args, env: ['PATH=/bin'], cwd: '/' },
      root: { path: this.world.rootfs, readonly: true },
      mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
      linux: { namespaces: [{ type: 'mount' }, pid], cgroupsPath: this.cgroup, resources: {} },
    };
    await this.world.host.files.makeDir(`${this.world.dir}/exits`);
    await this.world.host.files.writeAtomic(`${this.bundle}/config.json`, JSON.stringify(spec));
    return this;
  }

  /** One call as nodelet makes it: the runtime's own messages go to the log, not to the caller. */
  async call(...verb: string[]) {
    await this.world.host.files.removeTree(`${this.bundle}/log`);
    const result = await this.world.host.processes.run({
      argv: [this.runtime, '--log', `${this.bundle}/log`, '--root', this.root, ...verb],
      timeoutMs: 20_000,
      // Not for create: what waits for its start holds every descriptor open.
      detachedOutput: verb[0] === 'run',
    });
    return { exitCode: result.exitCode, stdout: result.stdout.toString() };
  }

  /** Runs a command in the container, as its own process runs. */
  async exec(args: string[], timeoutMs = 20_000) {
    const { files, processes } = this.world.host;
    const spec = JSON.parse((await files.read(`${this.bundle}/config.json`))?.toString() ?? '') as OciSpec;
    await files.writeAtomic(`${this.bundle}/exec.json`, JSON.stringify({ ...spec.process, args }));
    await files.removeTree(`${this.bundle}/log`);
    const { exitCode, stdout } = await processes.run({
      argv: [
        ...[this.runtime, '--log', `${this.bundle}/log`, '--root', this.root],
        ...['exec', '--process', `${this.bundle}/exec.json`, this.id],
      ],
      timeoutMs,
    });
    return { exitCode, stdout: stdout.toString(), log: await this.log() };
  }

  async log(): Promise<string> {
    return (await this.world.host.files.read(`${this.bundle}/log`))?.toString() ?? '';
  }

  make(verb: 'run' | 'create') {
    const detach = verb === 'run' ? ['--detach'] : [];
    return this.call(verb, ...detach, '--bundle', this.bundle, '--pid-file', `${this.bundle}/pid`, this.id);
  }

  async status(): Promise<string> {
    const { exitCode, stdout } = await this.call('state', this.id);
    return exitCode === 0 ? (JSON.parse(stdout) as { status: string }).status : 'unknown';
  }

  async process() {
    const pid = Number((await this.world.host.files.read(`${this.bundle}/pid`))?.toString());
    const process = this.world.host.processes.identify(pid);
    if (process === undefined) throw new Error('the container has no live process');
    return process;
  }

  /** What is on the machine of it. */
  async traces(): Promise<string[]> {
    const { files, cgroups } = this.world.host;
    const [, parent = '', name = ''] = this.cgroup.split('/');
    return [
      ...(await files.list(this.root)).filter((id) => id === this.id).map(() => 'state'),
      ...(await cgroups.children(`/${parent}`)).filter((child) => child === name).map(() => 'cgroup'),
    ];
  }

  async monitor(log = `${this.world.dir}/log`): Promise<{ report: string }> {
    return this.world.host.processes.startMonitor({
      argv: [
        '/usr/bin/conmon',
        ...['--api-version', '1', '-c', this.id, '-u', this.id, '-n', this.id, '-r', this.runtime],
        ...['-b', this.bundle, '-p', `${this.bundle}/pid`, '-P', `${this.bundle}/monitor.pid`],
        ...['--exit-dir', `${this.world.dir}/exits`, '--persist-dir', this.bundle],
        ...['--socket-dir-path', this.bundle, '--full-attach', '-l', `k8s-file:${log}`],
        ...['--runtime-arg', '--root', '--runtime-arg', this.root],
      ],
      cwd: this.bundle,
      env: {},
      timeoutMs: 20_000,
    });
  }

  exitFile(): Promise<string> {
    return eventually(this.world, 'the exit file', async () =>
      (await this.world.host.files.read(`${this.world.dir}/exits/${this.id}`))?.toString(),
    );
  }
}

/** The OCI runtime's command line, as nodelet uses it; the model was read off crun. */
export function ociRuntimeContract(factory: ContractFactory, runtime: string): void {
  const prepared = (world: ContractWorld, args: string[]) => new Container(world, runtime).prepare(args);
  declareContract(`the OCI runtime ${runtime}`, factory, {
    'run starts a container that outlives the call, with a pid file, state and a cgroup': async (world) => {
      const container = await prepared(world, forever);
      expect(await container.make('run')).to.include({ exitCode: 0 });
      expect(await container.status()).to.equal('running');
      expect(await container.traces()).to.deep.equal(['state', 'cgroup']);
      const { pid } = await container.process();
      expect(await world.host.cgroups.pids(container.cgroup)).to.deep.equal([pid]);
    },
    'an id that is taken is refused, and its container goes on': async (world) => {
      const container = await prepared(world, forever);
      await container.make('run');
      const process = await container.process();
      expect((await container.make('create')).exitCode).not.to.equal(0);
      expect(world.host.processes.identify(process.pid)).to.deep.equal(process);
    },
    'create makes a container whose program waits for start, which works once': async (world) => {
      const container = await prepared(world, forever);
      expect(await container.make('create')).to.include({ exitCode: 0 });
      expect(await container.status()).to.equal('created');
      expect(await container.call('start', container.id)).to.include({ exitCode: 0 });
      expect(await container.status()).to.equal('running');
      expect((await container.call('start', container.id)).exitCode).not.to.equal(0);
    },
    'delete spares a running container, delete --force ends it with its state and cgroup': async (world) => {
      const container = await prepared(world, forever);
      await container.make('run');
      const process = await container.process();
      expect((await container.call('delete', container.id)).exitCode).not.to.equal(0);
      expect(world.host.processes.identify(process.pid)).to.deep.equal(process);
      expect(await container.call('delete', '--force', container.id)).to.include({ exitCode: 0 });
      expect(await world.host.processes.waitGone(process, 5_000)).to.equal(true);
      expect(await container.traces()).to.deep.equal([]);
    },
    'delete --force of what is not there succeeds, delete does not': async (world) => {
      const container = await prepared(world, forever);
      expect(await container.call('delete', '--force', container.id)).to.include({ exitCode: 0 });
      expect((await container.call('delete', container.id)).exitCode).not.to.equal(0);
    },
    'a program that is not in the image is refused, and nothing is left': async (world) => {
      const container = await prepared(world, ['/bin/absent']);
      expect((await container.make('create')).exitCode).not.to.equal(0);
      expect(await container.log()).to.contain('/bin/absent');
      expect(await container.traces()).to.deep.equal([]);
    },
    'the first process of a PID namespace takes no signal that it does not ask for, but SIGKILL': async (
      world,
    ) => {
      const container = await prepared(world, forever);
      await container.make('run');
      const process = await container.process();
      world.host.processes.kill(process, sigterm);
      expect(await world.host.processes.waitGone(process, 100)).to.equal(false);
      world.host.processes.kill(process, sigkill);
      expect(await world.host.processes.waitGone(process, 5_000)).to.equal(true);
    },
    'a container in the PID namespace of another ends with it': async (world) => {
      const first = await prepared(world, forever);
      await first.make('run');
      const holder = await first.process();
      const second = new Container(world, runtime, 'two');
      await second.prepare(forever, `/proc/${holder.pid}/ns/pid`);
      expect(await second.make('run')).to.include({ exitCode: 0 });
      const joined = await second.process();
      world.host.processes.kill(holder, sigkill);
      expect(await world.host.processes.waitGone(joined, 5_000)).to.equal(true);
    },
    'exec gives output and exit code, and logs nothing when the command alone has failed': async (world) => {
      const container = await prepared(world, forever);
      await container.make('run');
      const script = ['/bin/sh', '-c', 'echo hi; exit 3'];
      expect(await container.exec(script)).to.deep.equal({ exitCode: 3, stdout: 'hi\n', log: '' });
    },
    "exec says in its log why a command can't be run, or that the container has ended": async (world) => {
      const container = await prepared(world, forever);
      await container.make('run');
      expect((await container.exec(['/bin/absent'])).log).to.contain('/bin/absent');
      const process = await container.process();
      world.host.processes.kill(process, sigkill);
      await world.host.processes.waitGone(process, 5_000);
      const late = await container.exec(['/bin/true']);
      expect(late.exitCode).not.to.equal(0);
      expect(late.log).not.to.equal('');
    },
    'exec ends at its time': async (world) => {
      const container = await prepared(world, forever);
      await container.make('run');
      expect(await outcomeOf(container.exec(forever, 200))).to.equal('deadline');
    },
  });
}

/** What a create that was cut short leaves, which is crun's own affair. */
export function tornCreateContract(factory: ContractFactory, runtime: string): void {
  declareContract(`a torn create of ${runtime}`, factory, {
    "its empty state folder blocks the id, can't be read, and goes with delete --force": async (world) => {
      const container = await new Container(world, runtime).prepare(forever);
      await world.host.files.makeDir(`${container.root}/${container.id}`);
      expect((await container.make('create')).exitCode).not.to.equal(0);
      expect(await container.status()).to.equal('unknown');
      expect(await container.call('delete', '--force', container.id)).to.include({ exitCode: 0 });
      expect(await container.traces()).to.deep.equal([]);
    },
  });
}

/** conmon under which containers run. */
export function monitorContract(factory: ContractFactory, runtime: string): void {
  const prepared = (world: ContractWorld, args: string[]) => new Container(world, runtime).prepare(args);
  const monitorOf = async (world: ContractWorld, container: Container) =>
    world.host.processes.identify(
      Number((await world.host.files.read(`${container.bundle}/monitor.pid`))?.toString()),
    );
  declareContract('the monitor, conmon', factory, {
    'reports the pid of a container that waits for its start': async (world) => {
      const container = await prepared(world, forever);
      const { report } = await container.monitor();
      expect(JSON.parse(report)).to.deep.equal({ data: (await container.process()).pid });
      expect(await container.status()).to.equal('created');
      expect(await monitorOf(world, container)).not.to.equal(undefined);
    },
    'writes the exit code at the end of the container, and ends itself': async (world) => {
      const container = await prepared(world, jobOf('0.05', 7));
      await container.monitor();
      const monitor = await monitorOf(world, container);
      await container.call('start', container.id);
      expect(await container.exitFile()).to.equal('7');
      if (monitor !== undefined) expect(await world.host.processes.waitGone(monitor, 5_000)).to.equal(true);
      expect(await container.status()).to.equal('stopped');
    },
    'writes 137 for a container that was killed, also one that never began': async (world) => {
      const container = await prepared(world, forever);
      await container.monitor();
      await container.call('delete', '--force', container.id);
      expect(await container.exitFile()).to.equal('137');
    },
    'reports why there is no container, and ends without an exit file': async (world) => {
      const container = await prepared(world, ['/bin/absent']);
      const { report } = await container.monitor();
      const { data, message } = JSON.parse(report) as { data: number; message: string };
      expect(data).to.equal(-1);
      expect(message).to.contain('executable file').and.to.contain('not found');
      await eventually(world, 'the end of the monitor', async () =>
        (await monitorOf(world, container)) === undefined ? true : undefined,
      );
      expect(await world.host.files.list(`${world.dir}/exits`)).to.deep.equal([]);
    },
    'opens its log anew at the command, in place of what is there, and no other file': async (world) => {
      const { files, processes } = world.host;
      const container = await prepared(world, forever);
      await container.monitor();
      await container.call('start', container.id);
      const monitor = await monitorOf(world, container);
      if (monitor === undefined) throw new Error('there is no monitor');
      const [log, moved] = [`${world.dir}/log`, `${world.dir}/log.1`];
      expect(await processes.hasOpen(monitor, log)).to.equal(true);
      await files.rename(log, moved);
      await files.writeAtomic(log, 'somebody else');
      expect(await processes.hasOpen(monitor, moved)).to.equal(true);
      expect(await processes.hasOpen(monitor, log)).to.equal(false);
      await files.writeToFifo(`${container.bundle}/ctl`, '2 0 0\n');
      await eventually(world, 'the new log', async () =>
        (await processes.hasOpen(monitor, log)) ? true : undefined,
      );
      expect((await files.stat(log))?.sizeBytes).to.equal(0);
      expect(await files.takeFromFifo(`${container.bundle}/ctl`)).to.equal('');
      expect(await files.list(world.dir))
        .to.include.members(['log', 'log.1'])
        .and.not.include('log.tmp');
      processes.kill(monitor, sigkill);
      await processes.waitGone(monitor, 5_000);
      expect(await processes.hasOpen(monitor, log)).to.equal(false);
    },
    'ends when it can not make the new log': async (world) => {
      const container = await prepared(world, forever);
      await world.host.files.makeDir(`${world.dir}/logs`);
      await container.monitor(`${world.dir}/logs/log`);
      const monitor = await monitorOf(world, container);
      if (monitor === undefined) throw new Error('there is no monitor');
      await world.host.files.removeTree(`${world.dir}/logs`);
      await world.host.files.writeToFifo(`${container.bundle}/ctl`, '2 0 0\n');
      expect(await world.host.processes.waitGone(monitor, 5_000)).to.equal(true);
    },
    'leaves the container running when it is killed itself': async (world) => {
      const container = await prepared(world, forever);
      await container.monitor();
      await container.call('start', container.id);
      const monitor = await monitorOf(world, container);
      if (monitor === undefined) throw new Error('there is no monitor');
      world.host.processes.kill(monitor, sigkill);
      await world.host.processes.waitGone(monitor, 5_000);
      expect(await container.status()).to.equal('running');
    },
  });
}
