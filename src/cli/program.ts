import { Command, Option } from 'commander';
import { asNodeletError } from '../base/errors.js';
import type { MachineFacts } from '../ports/machine-facts.js';
import type { TerminalModes } from '../ports/terminal-modes.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import type { NodeConfigOverrides } from '../spec/config/node-config-parse.js';
import { createApiClient } from './api-client.js';
import { loadConfig } from './config-load.js';
import { diagnose, renderFindings } from './doctor.js';
import { addImageCommands } from './image-commands.js';
import { addPodCommands } from './pod-commands.js';
import { registriesFinding } from './registries-finding.js';

/** What only composition can do; all else the CLI does itself over the sockets. */
export interface CliActions {
  version: string;
  /** Runs the daemon until it is told to stop. */
  serve: (config: NodeConfig) => Promise<void>;
  /** Removes all pods, the bridge and the nft table; the daemon must not be running. */
  teardown: (config: NodeConfig) => Promise<void>;
  machineFacts: (config: NodeConfig) => Promise<MachineFacts>;
  terminalModes: () => Promise<TerminalModes>;
}

/** What a shell shows for a program that SIGPIPE ended. */
const brokenPipeCode = 141;

/** Runs one command line; a NodeletError becomes one line on stderr and exit code 1, a bug keeps its stack. */
export async function runProgram(actions: CliActions, argv: readonly string[]): Promise<void> {
  // A reader that has had enough (`| head`), or a terminal that has hung up, is no failure worth a stack.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'EIO') process.exit(brokenPipeCode);
      throw error;
    });
  try {
    await buildProgram(actions).parseAsync(argv);
  } catch (thrown) {
    const error = asNodeletError(thrown);
    const stack = error.kind === 'bug' && thrown instanceof Error ? `\n${thrown.stack ?? ''}` : '';
    process.stderr.write(`nodelet: ${error.describe()}${stack}\n`);
    process.exitCode = 1;
  }
}

/** The whole command line. Its actions reject with NodeletErrors. */
export function buildProgram(actions: CliActions): Command {
  const program = new Command('nodelet')
    .description('A node agent for Kubernetes-style pods')
    .version(actions.version)
    .addOption(
      new Option('--api-socket <path>', "the daemon's API socket")
        .env('NODELET_API_SOCKET')
        .default('/run/nodelet/api.sock'),
    )
    .addOption(
      new Option('--cri-socket <path>', "the daemon's CRI socket")
        .env('NODELET_CRI_SOCKET')
        .default('/run/nodelet/nodelet.sock'),
    );
  const sockets = (): { apiSocket: string; criSocket: string } => program.opts();
  const out = (text: string | Uint8Array): void => void process.stdout.write(text);

  addDaemonCommand(program, 'serve', 'run the daemon', actions.serve);
  addDaemonCommand(program, 'teardown', 'stop all pods and remove the network', actions.teardown);
  program
    .command('doctor')
    .description('tell what this machine has and lacks; exit code 1 when pods cannot run')
    .option('--config <file>', 'configuration file')
    .action(async ({ config }: { config?: string }) => {
      const loaded = await loadConfig(config, {});
      const { text, exitCode } = renderFindings([
        ...diagnose(await actions.machineFacts(loaded)),
        await registriesFinding(loaded.registriesFile),
      ]);
      out(text);
      process.exitCode = exitCode;
    });
  addPodCommands(program, {
    out,
    err: (text) => void process.stderr.write(text),
    stdin: process.stdin,
    nowMs: () => Date.now(),
    api: () => createApiClient(sockets().apiSocket),
    apiSocket: () => sockets().apiSocket,
    terminal: process,
    terminalModes: actions.terminalModes,
    setExitCode: (code) => (process.exitCode = code),
  });
  addImageCommands(program, {
    socketPath: () => sockets().criSocket,
    out,
    api: () => createApiClient(sockets().apiSocket),
    setExitCode: (code) => (process.exitCode = code),
  });
  return program;
}

/** Both commands that compose the node take the configuration file and the same flags over it. */
function addDaemonCommand(
  program: Command,
  name: string,
  description: string,
  run: (config: NodeConfig) => Promise<void>,
): void {
  program
    .command(name)
    .description(description)
    .option('--config <file>', 'configuration file (default: /etc/nodelet/config.yaml where it exists)')
    .option('--root-dir <path>', 'durable data')
    .option('--run-dir <path>', 'data of this boot')
    .option('--manifest-dir <path>', 'watched folder of Pod manifests')
    .option('--pod-log-dir <path>', 'folder of the pods’ logs')
    .option('--metrics-address <host:port>', 'where /metrics answers; empty for nowhere')
    .option('--node-name <name>', 'name that pods see as their node')
    .option('--cgroup-parent <path>', "parent of nodelet's cgroups")
    .addOption(new Option('--log-level <level>').choices(['debug', 'info', 'warn', 'error']))
    .action(async ({ config, ...flags }: NodeConfigOverrides & { config?: string }) => {
      const overrides = { ...flags };
      // The socket flags are the whole program's, with defaults for clients: only what was asked for overrides.
      for (const key of ['apiSocket', 'criSocket'] as const) {
        if (program.getOptionValueSource(key) !== 'default')
          overrides[key] = program.opts<Record<string, string>>()[key] ?? '';
      }
      await run(await loadConfig(config, overrides));
    });
}
