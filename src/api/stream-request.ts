import type { PodAttach, PodExec } from '../agent/container-access.js';
import { NodeletError } from '../base/errors.js';
import { Query } from './request-read.js';

const streamNames = ['container', 'stdin', 'stdout', 'stderr', 'tty'];

/** A pod's exec subresource from its query, as kubectl asks (core/v1 PodExecOptions); `command` comes once a word. */
export function execOf(params: URLSearchParams): PodExec {
  const query = new Query(Object.fromEntries(params), [...streamNames, 'command']);
  const command = params.getAll('command');
  if (command.length === 0)
    throw new NodeletError('invalid', 'must be given, once for each word', { field: 'command' });
  return { command, ...streamsOf(query) };
}

/** A pod's attach subresource from its query (core/v1 PodAttachOptions). */
export function attachOf(params: URLSearchParams): PodAttach {
  return streamsOf(new Query(Object.fromEntries(params), streamNames));
}

/** The ports of a pod's portforward subresource (core/v1 PodPortForwardOptions): several, or several in one. */
export function portsOf(params: URLSearchParams): number[] {
  const known = new Query(Object.fromEntries(params), ['ports']);
  if (known.text('ports') === undefined) return [];
  return params
    .getAll('ports')
    .flatMap((ports) => ports.split(','))
    .map((port) => {
      if (/^\d{1,5}$/.test(port)) return Number(port);
      throw new NodeletError('invalid', `"${port}" is no port`, { field: 'ports' });
    });
}

function streamsOf(query: Query): PodAttach {
  const container = query.text('container');
  const tty = query.flag('tty');
  const streams = {
    ...(container === undefined ? {} : { container }),
    stdin: query.flag('stdin'),
    stdout: query.flag('stdout'),
    // A terminal has one output: clients ask for both streams all the same.
    stderr: query.flag('stderr') && !tty,
    tty,
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw new NodeletError('invalid', 'one of stdin, stdout and stderr must be true', { field: 'stdout' });
  return streams;
}
