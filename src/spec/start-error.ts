import { NodeletError } from '../base/errors.js';
import type { ContainerConfig } from '../ports/cri/messages.js';
import { securityField } from './security/security-field.js';
import { seccompChoice } from './security/security-profile.js';

/** crun and runc about a working folder that is none, or that the user may not enter; crun about the place of a mount, too. */
const noFolder = /\b(?:chdir(?: to cwd)?|mkdir) ([^:]*): (.*)$/i;
/** crun and runc when the container's first process has gone before it could run the program. */
const died = /read from the init process|ended before its start/;

/** What an OCI runtime says of a start that failed, as an error that names the field at fault; any other error as it was. */
export function explainStart(thrown: unknown, config: ContainerConfig): unknown {
  if (!(thrown instanceof NodeletError) || thrown.kind !== 'tool-failed') return thrown;
  const { message } = thrown;
  const [, folder = '', reason] = noFolder.exec(message) ?? [];
  const mount = config.mounts.findIndex(({ container_path }) => namesIn(folder, container_path));
  if (reason !== undefined && mount !== -1) {
    return new NodeletError('invalid', `is not there and can't be made: ${reason}`, {
      field: `config.mounts[${mount}].container_path`,
      cause: thrown,
    });
  }
  if (reason !== undefined && !message.includes('mount')) {
    const ofImage = config.working_dir === '';
    return new NodeletError('invalid', `is no folder that the container can start in: ${reason}`, {
      field: ofImage ? 'image config WorkingDir' : 'config.working_dir',
      cause: thrown,
    });
  }
  const seccomp = seccompChoice(config.linux?.security_context ?? null, securityField);
  if (seccomp.kind === 'named' && died.test(message)) {
    return new NodeletError('invalid', `the profile ${seccomp.name} lets no program start`, {
      field: seccomp.field,
      remedy: 'allow what an OCI runtime itself needs after the filter is set, as execve and close',
      cause: thrown,
    });
  }
  return thrown;
}

/** Whether an OCI runtime's words, with or without quotes and the leading slash, are about this path. */
function namesIn(words: string, path: string): boolean {
  const bare = (text: string) => text.replace(/^[`'"/]+|[`'"/]+$/g, '');
  return bare(words) !== '' && bare(words) === bare(path);
}
