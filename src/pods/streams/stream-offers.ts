import { NodeletError } from '../../base/errors.js';
import type { AttachRequest, ExecRequest, PortForwardRequest } from '../../ports/cri/messages.js';
import { validateWords } from '../../spec/process-words.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import { containerTarget } from '../containers/container-target.js';
import type { Pods } from '../pods.js';

/** The URL at which a client finds its exec; CRI's rules for the request are checked here, once. */
export function offerExec(pods: Pods, record: ContainerRecord, request: ExecRequest): string {
  const { cmd, stdin, stdout, stderr, tty } = request;
  if (cmd.length === 0) throw new NodeletError('invalid', 'no command is given', { field: 'cmd' });
  validateWords(cmd, 'cmd');
  validateStreams(request);
  const { runner, streams } = pods.parts;
  const target = containerTarget(pods, record);
  return streams.offerCommand('exec', {
    stdin,
    stdout,
    stderr,
    tty,
    start: (size) => runner.execInteractive({ ...target, cmd, stdin, ...(tty ? { terminal: size } : {}) }),
  });
}

/** The URL at which a client joins the stdio of a running container. */
export function offerAttach(pods: Pods, record: ContainerRecord, request: AttachRequest): string {
  const { stdin, stdout, stderr, tty } = request;
  validateStreams(request);
  const { config } = record;
  if (tty !== config.tty) {
    throw new NodeletError(
      'invalid',
      `the container was made ${config.tty ? 'with' : 'without'} a terminal`,
      {
        field: 'tty',
        remedy: `attach with tty ${config.tty}`,
      },
    );
  }
  if (stdin && !config.stdin) {
    throw new NodeletError('invalid', 'the container was made without a stdin', {
      field: 'stdin',
      remedy: 'set stdin in the config of the container, or attach to its output alone',
    });
  }
  const { runner, streams } = pods.parts;
  const target = containerTarget(pods, record);
  return streams.offerCommand('attach', {
    stdin,
    stdout,
    stderr,
    tty,
    start: () =>
      runner.attach({ ...target, stdin, stdinOnce: config.stdin && config.stdin_once, terminal: tty }),
  });
}

/** The URL at which a client forwards ports into a pod. */
export function offerForward(pods: Pods, record: SandboxRecord, { port: ports }: PortForwardRequest): string {
  ports.forEach((port, index) => {
    if (port >= 1 && port <= 65_535) return;
    throw new NodeletError('invalid', `is ${port}, not 1 to 65535`, { field: `port[${index}]` });
  });
  const { host, streams } = pods.parts;
  const { netnsPath } = record;
  return streams.offerForward({
    ports,
    connect: (port) => host.connections.toLoopback({ netnsPath, port }),
  });
}

function validateStreams({
  stdin,
  stdout,
  stderr,
  tty,
}: Record<'stdin' | 'stdout' | 'stderr' | 'tty', boolean>) {
  if (tty && stderr) {
    throw new NodeletError('invalid', 'a terminal has no stderr of its own', {
      field: 'stderr',
      remedy: 'ask for stdout alone, which carries both',
    });
  }
  if (!stdin && !stdout && !stderr) {
    throw new NodeletError('invalid', 'at least one of stdin, stdout and stderr must be asked for', {
      field: 'stdout',
    });
  }
}
