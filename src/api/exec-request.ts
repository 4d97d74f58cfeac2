import type { PodExec } from '../agent/container-access.js';
import { NodeletError } from '../base/errors.js';
import { Query } from './request-read.js';

const known = ['container', 'command', 'stdin', 'stdout', 'stderr', 'tty'];

/** A pod's exec subresource from its query, as kubectl asks (core/v1 PodExecOptions); `command` comes once a word. */
export function execOf(params: URLSearchParams): PodExec {
  const query = new Query(Object.fromEntries(params), known);
  const container = query.text('container');
  const command = params.getAll('command');
  const tty = query.flag('tty');
  const exec = {
    ...(container === undefined ? {} : { container }),
    command,
    stdin: query.flag('stdin'),
    stdout: query.flag('stdout'),
    // A terminal has one output: clients ask for both streams all the same.
    stderr: query.flag('stderr') && !tty,
    tty,
  };
  if (command.length === 0)
    throw new NodeletError('invalid', 'must be given, once for each word', { field: 'command' });
  if (!exec.stdin && !exec.stdout && !exec.stderr)
    throw new NodeletError('invalid', 'one of stdin, stdout and stderr must be true', { field: 'stdout' });
  return exec;
}
