import type { CallContext, Log } from '../base/call-context.js';
import { NodeletError, isKind } from '../base/errors.js';
import { settleAll } from '../base/settle-all.js';
import type { Host } from '../ports/host.js';
import type { ProcessIdentity } from '../ports/processes.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import { attach } from './attach.js';
import type { ContainerRunner, RunnerTarget } from './container-runner.js';
import { checkpoint, requireCheckpoints } from './checkpoint.js';
import { monitorArgv, parseReport } from './conmon.js';
import type { ExecParts } from './exec.js';
import { execInteractive, execSync } from './exec.js';
import { ExitFiles } from './exit-files.js';
import { endLeftExecs } from './left-execs.js';
import { LogReopener } from './log-reopen.js';
import { RuntimeHandlers } from './runtime-handlers.js';
import { toolError } from './tool-error.js';

export interface RunnerParts extends Pick<
  Host,
  'processes' | 'interactive' | 'connections' | 'files' | 'cgroups' | 'clock' | 'random'
> {
  config: Pick<
    NodeConfig,
    'runDir' | 'runtimes' | 'defaultRuntime' | 'conmonPath' | 'fixHybridCgroups' | 'cgroupParent'
  >;
  log: Log;
}

const toolTimeoutMs = 60_000;
const monitorPatienceMs = 2_000;
const killPatienceMs = 5_000;
const sigkill = 9;

/** Containers by an OCI runtime (crun, runc) under conmon, with a state root of nodelet's own. */
export function createContainerRunner(parts: RunnerParts): ContainerRunner {
  const { config, processes, interactive, connections, files, cgroups, clock, random, log } = parts;
  const logs = new LogReopener({ files, processes, clock, log });
  const exits = new ExitFiles(`${config.runDir}/exits`, files);
  const monitorGroup = `${config.cgroupParent}/monitors`;
  // conmon takes its arguments for text of the locale, and in the plain one refuses all that is not ASCII.
  const env = { XDG_RUNTIME_DIR: config.runDir, LC_ALL: 'C.UTF-8' };
  const handlers = new RuntimeHandlers({ config, processes, files, env, log });

  const execParts = async (handler: string): Promise<ExecParts> => ({
    files,
    host: { processes, interactive },
    command: await handlers.command(handler),
    env,
    key: random.hex(4),
  });

  const checkpointParts = async (handler: string) => ({
    processes,
    env,
    command: await handlers.command(handler),
  });

  /** Runs the OCI runtime with its messages in a file, since the container may hold stdio. */
  const runtime = async (target: RunnerTarget, verb: string[], ctx?: CallContext) => {
    const result = await processes.run({
      argv: [...(await handlers.command(target.handler)), ...verb],
      name: target.handler,
      env,
      timeoutMs: toolTimeoutMs,
      ...(ctx === undefined ? {} : { signal: ctx.signal }),
    });
    if (result.exitCode !== 0) throw toolError(callOf(target, verb[0] ?? ''), result.stderr.toString('utf8'));
    return result.stdout.toString('utf8');
  };

  const pidFrom = async (file: string): Promise<ProcessIdentity | undefined> => {
    const pid = Number((await files.read(file))?.toString('utf8') ?? '');
    return pid > 0 ? processes.identify(pid) : undefined;
  };

  const hasState = async ({ handler, id }: RunnerTarget): Promise<boolean> =>
    (await files.stat(`${handlers.stateRoot(handler)}/${id}`)) !== undefined;

  /** A monitor writes the exit file some milliseconds after its container's end: files are safe to remove after that. */
  const endMonitor = async (monitor: ProcessIdentity): Promise<void> => {
    if (await processes.waitGone(monitor, monitorPatienceMs)) return;
    log.warn({ pid: monitor.pid }, 'a monitor outlives its container and is killed');
    if (processes.kill(monitor, sigkill)) await processes.waitGone(monitor, monitorPatienceMs);
  };

  /**
   * What the runtime's `delete` does once all processes have ended, at a tenth of what starting it costs: the cgroup goes,
   * then the runtime's folder of the container. False where processes are left, which takes the runtime itself.
   */
  const removeEnded = async ({ cgroupPath, handler, id, hasPoststop }: RunnerTarget): Promise<boolean> => {
    if (cgroupPath === undefined || hasPoststop === true) return false;
    try {
      await cgroups.remove(cgroupPath);
    } catch (thrown) {
      if (isKind(thrown, 'wrong-state')) return false;
      throw thrown;
    }
    await files.removeTree(`${handlers.stateRoot(handler)}/${id}`);
    return true;
  };

  /** Ends what is left in the cgroup: process 1 where it lives, or those that it has left behind in the pod's PID namespace. */
  const removeKilled = async (target: RunnerTarget): Promise<boolean> => {
    if (target.cgroupPath === undefined || target.hasPoststop === true) return false;
    await cgroups.kill(target.cgroupPath, killPatienceMs);
    return removeEnded(target);
  };

  const removeFromRuntime = async (target: RunnerTarget, monitor?: ProcessIdentity): Promise<void> => {
    if ((await hasState(target)) && !(await removeEnded(target)) && !(await removeKilled(target))) {
      await runtime(target, ['delete', '--force', target.id]);
    }
    if (monitor !== undefined) await endMonitor(monitor);
  };

  let monitorGroupMade: Promise<void> | undefined;
  /** Once for all: a v1 cpuset that another start has only just made takes no process yet (ENOSPC). */
  const makeMonitorGroup = () =>
    (monitorGroupMade ??= cgroups.create(monitorGroup).catch((thrown: unknown) => {
      monitorGroupMade = undefined;
      throw thrown;
    }));

  /** A monitor must not end with the agent, whose group a service manager ends as a whole. */
  const moveMonitor = async (monitor: ProcessIdentity): Promise<void> => {
    await makeMonitorGroup();
    try {
      await cgroups.attach(monitorGroup, monitor.pid);
    } catch (thrown) {
      if (!isKind(thrown, 'not-found')) throw thrown;
      // Somebody has removed it since.
      monitorGroupMade = undefined;
      await makeMonitorGroup();
      await cgroups.attach(monitorGroup, monitor.pid);
    }
  };

  return {
    start: async () => {
      await exits.start();
      await endLeftExecs({ processes, files, log, stateRoots: `${handlers.stateRoots}/` });
      const { version, strandedControllers } = await cgroups.info();
      if (version !== 'hybrid') return;
      for (const controller of strandedControllers) {
        if (!config.fixHybridCgroups) {
          log.warn(
            { controller },
            'a cgroup controller is not mounted as v1 beside the others: crun will refuse to run',
          );
          continue;
        }
        log.info({ controller }, 'mounting a stranded cgroup controller as v1, so that crun runs');
        await cgroups.mountV1Controller(controller);
      }
    },
    handlers: () => handlers.names(),
    resolveHandler: (handler) => handlers.resolve(handler),
    missingPrograms: () => handlers.missingPrograms(),
    features: (handler) => handlers.features(handler),
    runInfra: async (target, ctx) => {
      const pidFile = `${target.bundle}/pid`;
      const logFile = `${target.bundle}/runtime.log`;
      const result = await processes.run({
        argv: [
          ...(await handlers.command(target.handler)),
          '--log',
          logFile,
          'run',
          '--detach',
          '--bundle',
          target.bundle,
          '--pid-file',
          pidFile,
          target.id,
        ],
        name: target.handler,
        env,
        timeoutMs: toolTimeoutMs,
        signal: ctx.signal,
        detachedOutput: true,
      });
      if (result.exitCode !== 0) {
        throw toolError(callOf(target, 'run'), (await files.read(logFile))?.toString('utf8') ?? '');
      }
      const process = await pidFrom(pidFile);
      if (process !== undefined) return process;
      throw new NodeletError('tool-failed', 'the infra container ended as soon as it began', {
        remedy: 'check that the pause image runs on this machine',
      });
    },
    startContainer: async (request, ctx) => {
      const pidFile = `${request.bundle}/pid`;
      const monitorPidFile = `${request.bundle}/monitor.pid`;
      ctx.phase('oci-create');
      try {
        const { report, stderr } = await processes.startMonitor({
          argv: monitorArgv(request, {
            conmon: config.conmonPath,
            runtime: await handlers.command(request.handler),
            exitDir: exits.dir,
            pidFile,
            monitorPidFile,
          }),
          cwd: request.bundle,
          env,
          timeoutMs: toolTimeoutMs,
          signal: ctx.signal,
        });
        const { data, message } = parseReport(report);
        if (data <= 0) throw toolError(callOf(request, 'create'), message === '' ? stderr : message);
        const process = processes.identify(data);
        const monitor = await pidFrom(monitorPidFile);
        if (process === undefined || monitor === undefined) {
          throw new NodeletError('tool-failed', `the container ended before its start: ${stderr.trim()}`);
        }
        ctx.phase('oci-start');
        const startedAtNs = clock.nowNs().toString();
        // Moving a process waits for a grace period of the kernel's, some milliseconds.
        await settleAll([moveMonitor(monitor), runtime(request, ['start', request.id], ctx)]);
        return { process, monitor, startedAtNs };
      } catch (thrown) {
        // Started a moment ago: the pid in its file is still its own.
        await removeFromRuntime(request, await pidFrom(monitorPidFile));
        await exits.remove(request.id);
        throw thrown;
      }
    },
    execSync: async (request, ctx) => execSync(request, await execParts(request.handler), ctx),
    execInteractive: async (request) => execInteractive(request, await execParts(request.handler)),
    attach: (request) => attach(request, { connections, files, clock }),
    requireCheckpoints: async ({ handler }) => requireCheckpoints(handler, await checkpointParts(handler)),
    checkpoint: async (request, ctx) => checkpoint(request, await checkpointParts(request.handler), ctx),
    remove: removeFromRuntime,
    inspectStart: async (target) => {
      if (!(await hasState(target))) return { begun: false, process: undefined };
      let text: string;
      try {
        text = await runtime(target, ['state', target.id]);
      } catch (thrown) {
        // A create that was cut short leaves state that can't be read; then nothing of the container lives.
        const alive = target.cgroupPath === undefined ? [] : await cgroups.pids(target.cgroupPath);
        if (alive.length > 0) throw thrown;
        return { begun: false, process: undefined };
      }
      const { status, pid } = JSON.parse(text) as RuntimeState;
      return {
        begun: status === 'running' || status === 'paused' || status === 'stopped',
        process: pid > 0 ? processes.identify(pid) : undefined,
      };
    },
    monitors: async () => {
      const found = new Map<string, ProcessIdentity>();
      for (const { identity, argv } of await processes.list()) {
        const id = argv[argv.indexOf('-c') + 1];
        if (argv[0] === config.conmonPath && argv.includes(exits.dir) && id !== undefined)
          found.set(id, identity);
      }
      return found;
    },
    reopenLog: (target, ctx) => logs.reopen(target, ctx),
    readExit: (id) => exits.read(id),
    forgetExit: (id) => exits.remove(id),
    exits: () => exits.ids(),
    watchExits: (exited) => exits.watch(exited),
    list: async () => {
      const found = handlers.names().map(async (handler) => {
        const ids = await files.list(handlers.stateRoot(handler));
        return ids.map((id) => ({ id, handler }));
      });
      return (await Promise.all(found)).flat();
    },
  };
}

/** What `state` prints, OCI runtime-spec runtime.md. */
interface RuntimeState {
  status: 'creating' | 'created' | 'running' | 'paused' | 'stopped';
  pid: number;
}

const callOf = ({ handler }: RunnerTarget, verb: string) => ({
  handler,
  verb,
  commandField: 'config.command',
});
