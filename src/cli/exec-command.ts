import type { Command } from 'commander';
import type { CliSurface } from './pod-commands.js';
import { namespaceFlag, podNameOf, podPath } from './pod-paths.js';
import { joinSession, offersTerminal } from './terminal-session.js';
import type { StreamFlags } from './terminal-session.js';

interface Flags extends StreamFlags {
  namespace: string;
  container?: string;
}

/**
 * Adds `exec`, kubectl's way: the command's exit code becomes nodelet's. There are no keys to detach by, as podman's exec
 * has them, since a command ends with its client.
 */
export function addExec(program: Command, surface: CliSurface): void {
  program
    .command('exec')
    .description('run a command in a container')
    .argument('<pod>', 'POD, or pod/POD')
    .argument('<command...>', 'behind --, the program and its arguments')
    .option(...namespaceFlag)
    .option('-c, --container <name>', 'needed where the pod has several')
    .option('-i, --stdin', 'pass standard input on')
    .option('-t, --tty', 'give the command a terminal, sized and typed into like this one')
    .option('-q, --quiet', 'print nothing but what the command prints')
    .action(async (pod: string, command: string[], flags: Flags) => {
      const raw = offersTerminal(surface, flags);
      const end = await joinSession(surface, {
        path: `${podPath(flags.namespace, podNameOf(pod))}/exec`,
        container: flags.container,
        command,
        stdin: flags.stdin === true,
        tty: raw,
        raw,
      });
      if (end !== 'detached') surface.setExitCode(end.exitCode);
    });
}
