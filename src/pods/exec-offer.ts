import { NodeletError } from '../base/errors.js';
import type { ExecRequest } from '../ports/cri/messages.js';
import type { RunnerTarget } from '../runtime/container-runner.js';
import { validateWords } from '../spec/process-words.js';
import type { Pods } from './pods.js';

/** The URL at which a client finds its exec; CRI's rules for the request are checked here, once. */
export function offerExec(pods: Pods, target: RunnerTarget, request: ExecRequest): string {
  const { cmd, stdin, stdout, stderr, tty } = request;
  if (cmd.length === 0) throw new NodeletError('invalid', 'no command is given', { field: 'cmd' });
  validateWords(cmd, 'cmd');
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
  const { runner, streams } = pods.parts;
  return streams.offerCommand('exec', {
    stdin,
    stdout,
    stderr,
    tty,
    start: (size) => runner.execInteractive({ ...target, cmd, stdin, ...(tty ? { terminal: size } : {}) }),
  });
}
