import { NodeletError } from '../base/errors.js';
import type { NamespaceOption } from '../ports/cri/messages.js';

/** Settings that the kernel keeps for each network namespace, and for each IPC namespace; namespaces(7). */
const ofNetwork = /^net\./;
const ofIpc = /^(kernel\.(shmall|shmmax|shmmni|shm_rmid_forced|msgmax|msgmnb|msgmni|sem)|fs\.mqueue\.\w+)$/;

const fieldOf = (name: string) => `config.linux.sysctls["${name}"]`;

/** The name with dots, sysctl(8): whichever of dot and slash comes first is the separator. */
const dotted = (name: string) => name.replaceAll('/', '.');

/** sysctl(8) writes a dot within a name as a slash, or the other way round: OCI runtimes take both for separators. */
const mixesSeparators = (name: string) => name.includes('.') && name.includes('/');

/** Refuses settings that are the whole machine's, or of a namespace that the pod shares with it. */
export function validateSysctls(sysctls: Record<string, string>, options: NamespaceOption | null): void {
  const seen = new Map<string, string>();
  for (const [name, value] of Object.entries(sysctls)) {
    const invalid = (message: string) => new NodeletError('invalid', message, { field: fieldOf(name) });
    if (mixesSeparators(name)) {
      throw new NodeletError(
        'unsupported',
        'has both dots and slashes, which OCI runtimes take for the same',
        {
          field: fieldOf(name),
          remedy: 'name an interface without a dot, and use one kind of separator',
        },
      );
    }
    const setting = dotted(name);
    const other = seen.get(setting);
    if (other !== undefined) throw invalid(`is "${other}" written in another way`);
    seen.set(setting, name);
    const [network, ipc] = [ofNetwork.test(setting), ofIpc.test(setting)];
    if (!network && !ipc) throw invalid('is not a setting of a namespace: it would be the whole machine’s');
    if ((network ? options?.network : options?.ipc) === 'NODE') {
      throw invalid("can't be set: the pod uses the host's namespace");
    }
    if (value.trim() === '' || value.includes('\0')) throw invalid(`"${value}" is no value`);
  }
}

/** Whether a setting may be one of an interface, which must be there before it is set. */
export function setsNetwork(sysctls: Record<string, string>): boolean {
  return Object.keys(sysctls).some((name) => ofNetwork.test(dotted(name)));
}

/**
 * What an OCI runtime says of a setting that the kernel refused (`write to /proc/sys/a/b: Invalid argument`), as an
 * error that names the field; any other error as it was.
 */
export function explainSysctl(thrown: unknown, sysctls: Record<string, string>): unknown {
  if (!(thrown instanceof NodeletError)) return thrown;
  const [, path, reason = ''] = /\/proc\/sys\/([^\s:`'"]+)[`'"]?: (.*)$/m.exec(thrown.message) ?? [];
  const name = Object.keys(sysctls).find((key) => dotted(key) === dotted(path ?? ''));
  if (name === undefined) return thrown;
  const value = sysctls[name] ?? '';
  const message = /no such file/i.test(reason)
    ? 'this kernel has no such setting in a namespace'
    : /permission denied|read-only/i.test(reason)
      ? 'this kernel lets nobody set it in a namespace'
      : `the kernel refuses "${value}": ${reason}`;
  return new NodeletError('invalid', message, { field: fieldOf(name), cause: thrown });
}
