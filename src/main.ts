import './main/heap-shape.js';
import { runProgram } from './cli/program.js';
import { packageVersion } from './main/version.js';
import type { NodeConfig } from './spec/config/node-config.js';

/** The default runtime first, then the others: the order in which doctor asks for them. */
function runtimePaths({ runtimes, defaultRuntime }: NodeConfig): string[] {
  const others = Object.keys(runtimes).filter((handler) => handler !== defaultRuntime);
  return [defaultRuntime, ...others].flatMap((handler) => runtimes[handler]?.path ?? []);
}

/**
 * Entry of the `nodelet` program: the commands are the CLI's, the daemon's wiring is main/. What the daemon needs is
 * loaded by the commands that are the daemon: it would make all others several times slower.
 */
await runProgram(
  {
    version: packageVersion(),
    serve: async (config) => (await import('./main/serve.js')).serve(config),
    teardown: async (config) => (await import('./main/serve.js')).tearDown(config),
    terminalModes: async () => (await import('./host/terminal-modes.js')).terminalModes,
    machineFacts: async (config) => {
      const { gatherMachineFacts } = await import('./host/machine-facts.js');
      const { seccompPaths } = await import('./main/machine-limits.js');
      return gatherMachineFacts({ ...config, runtimePaths: runtimePaths(config), seccompPaths });
    },
  },
  process.argv,
);
