import type { Command } from 'commander';
import { runExec } from './exec-session.js';
import { followSize, rawMode } from './local-terminal.js';
import type { CliSurface } from './pod-commands.js';
import { namespaceFlag, podPath } from './pod-paths.js';

interface Flags {
  namespace: string;
  container?: string;
  stdin?: boolean;
  tty?: boolean;
}

/** Adds `exec`, kubectl's way: the command's exit code becomes nodelet's. */
export function addExec(program: Command, surface: CliSurface): void {
  program
    .command('exec')
    .description('run a command in a container')
    .argument('<pod>')
    .argument('<command...>', 'behind --, the program and its arguments')
    .option(...namespaceFlag)
    .option('-c, --container <name>', 'needed where the pod has several')
    .option('-i, --stdin', 'pass standard input on')
    .option('-t, --tty', 'give the command a terminal, sized and typed into like this one')
    .action(async (pod: string, command: string[], flags: Flags) => {
      const { stdin, stdout, stderr } = surface.terminal;
      const tty = mayHaveTerminal(surface, flags);
      const query = new URLSearchParams();
      if (flags.container !== undefined) query.set('container', flags.container);
      for (const word of command) query.append('command', word);
      for (const [name, on] of Object.entries({ stdin: flags.stdin, stdout: true, stderr: !tty, tty }))
        if (on === true) query.set(name, 'true');
      const path = `${podPath(flags.namespace, pod)}/exec?${query.toString()}`;
      const restore = tty ? rawMode(stdin) : () => undefined;
      try {
        const exitCode = await runExec(
          { socketPath: surface.apiSocket(), path },
          {
            stdin: flags.stdin === true ? stdin : undefined,
            stdout,
            stderr,
            ...(tty && stdout.isTTY ? { followSize: (changed) => followSize(stdout, changed) } : {}),
          },
        );
        surface.setExitCode(exitCode);
      } finally {
        restore();
      }
    });
}

/** As kubectl does: a terminal only where this side has one to offer, else the command runs without. */
function mayHaveTerminal({ terminal, err }: CliSurface, { stdin, tty }: Flags): boolean {
  if (tty !== true) return false;
  if (stdin !== true) {
    err('-t without -i has nothing to type with: running without a terminal\n');
    return false;
  }
  if (terminal.stdin.isTTY) return true;
  err('Unable to use a TTY - input is not a terminal\n');
  return false;
}
