import { runProgram } from './cli/program.js';
import { gatherMachineFacts } from './host/machine-facts.js';
import { seccompPaths } from './main/machine-limits.js';
import { serve, tearDown } from './main/serve.js';
import { packageVersion } from './main/version.js';
import type { NodeConfig } from './spec/node-config.js';

/** The default runtime first, then the others: the order in which doctor asks for them. */
function runtimePaths({ runtimes, defaultRuntime }: NodeConfig): string[] {
  const others = Object.keys(runtimes).filter((handler) => handler !== defaultRuntime);
  return [defaultRuntime, ...others].flatMap((handler) => runtimes[handler]?.path ?? []);
}

/** Entry of the `nodelet` program: the commands are the CLI's, the daemon's wiring is main/. */
await runProgram(
  {
    version: packageVersion(),
    serve,
    teardown: tearDown,
    machineFacts: (config) =>
      gatherMachineFacts({ ...config, runtimePaths: runtimePaths(config), seccompPaths }),
  },
  process.argv,
);
