import { NodeletError } from '../base/errors.js';

/** How an OCI runtime was called, for the error's text. */
export interface ToolCall {
  handler: string;
  verb: string;
  /** Field of the request that named the command to run. */
  commandField: string;
}

/**
 * Messages of crun and of runc about a command that isn't in the image, or is no program. The bare `exec: ` is crun's of a
 * program that is there: the kernel has not found its interpreter, or may not run it.
 */
const cannotRun = /executable file .*not found|exec:? "[^"]+"|^exec: |open executable|exec format error/i;

/** The message of an OCI runtime as an error of ours: a command that can't run is the caller's fault, the rest the tool's. */
export function toolError({ handler, verb, commandField }: ToolCall, output: string): NodeletError {
  const text = lastMessage(output);
  if (cannotRun.test(text)) {
    return new NodeletError('invalid', `the command can't be run: ${text}`, {
      field: commandField,
      remedy: 'check that the program exists in the image and is executable',
    });
  }
  const resource = verb === 'exec' ? undefined : resourceAtFault(text);
  if (resource !== undefined) {
    return new NodeletError('invalid', `the container can't have this limit: ${text}`, {
      field: `config.linux.resources.${resource}`,
      remedy: "choose a value within the machine's limits and those of the pod's cgroup",
    });
  }
  return new NodeletError('tool-failed', `${handler} ${verb} failed: ${text === '' ? 'no message' : text}`);
}

/** What crun and runc say of a limit that the kernel refuses: the file of the group, or that nothing starts in so little memory. */
const resourceFiles: [said: RegExp, field: string][] = [
  [
    /memory limit could be too low|unable to set memory limit|container init was OOM-killed/,
    'memory_limit_in_bytes',
  ],
  [/\bmemory\.(memsw\.|swap\.)/, 'memory_swap_limit_in_bytes'],
  [/\bmemory\.(limit_in_bytes|max)\b/, 'memory_limit_in_bytes'],
  [/\bcpu\.cfs_period_us\b/, 'cpu_period'],
  [/\bcpu\.(cfs_quota_us|max)\b/, 'cpu_quota'],
  [/\bcpu\.(shares|weight)\b|\bcpu-shares\b/, 'cpu_shares'],
  [/\bcpuset\.cpus\b/, 'cpuset_cpus'],
  [/\bcpuset\.mems\b/, 'cpuset_mems'],
  [/\bhugetlb\.\w+\./, 'hugepage_limits'],
  [/\bpids\.max\b/, 'unified["pids.max"]'],
];

function resourceAtFault(text: string): string | undefined {
  return resourceFiles.find(([said]) => said.test(text))?.[1];
}

/** The last line, or its `msg` where the log has the form of JSON or of key=value. */
function lastMessage(output: string): string {
  const line = output.trim().split('\n').at(-1) ?? '';
  const quoted = /"msg":\s*("(?:[^"\\]|\\.)*")|\bmsg=("(?:[^"\\]|\\.)*")/.exec(line);
  const text = quoted?.[1] ?? quoted?.[2];
  return text === undefined ? line : (JSON.parse(text) as string);
}
