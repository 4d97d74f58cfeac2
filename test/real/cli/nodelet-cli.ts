import path from 'node:path';
import { createInteractiveProcesses } from '../../../src/host/interactive.js';
import type { InteractiveOptions, InteractiveProcess } from '../../../src/ports/interactive-processes.js';
import type { RealNode } from '../real-node.js';
import { repositoryDir } from '../test-registry.js';

export interface CliResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** A process whose output is kept as text while it runs. */
export interface Watched {
  process: InteractiveProcess;
  stdout: () => string;
  stderr: () => string;
  /** Resolves once the process has ended and all of its output is there. */
  done: Promise<CliResult>;
}

const interactive = createInteractiveProcesses();

export async function watch(options: InteractiveOptions): Promise<Watched> {
  const process = await interactive.start(options);
  const text = { stdout: '', stderr: '' };
  const ends = (['stdout', 'stderr'] as const).map(
    (name) =>
      new Promise<void>((resolve) => {
        const stream = process[name];
        if (stream === undefined) return resolve();
        stream.on('data', (chunk: Buffer) => (text[name] += chunk.toString('utf8')));
        stream.on('close', resolve);
      }),
  );
  const done = Promise.all([process.exited, ...ends]).then(([exitCode]) => ({ exitCode, ...text }));
  return { process, stdout: () => text.stdout, stderr: () => text.stderr, done };
}

/** argv of the `nodelet` program against a node's own sockets. */
export function cliArgv({ config }: RealNode, ...args: string[]): string[] {
  const program = path.join(repositoryDir, 'bin/nodelet.js');
  return [
    process.execPath,
    program,
    '--api-socket',
    config.apiSocket,
    '--cri-socket',
    config.criSocket,
    ...args,
  ];
}

/** Runs `nodelet ARGS` to its end; `input` is its standard input. */
export async function cli(node: RealNode, args: string[], input?: string): Promise<CliResult> {
  const { process, done } = await watch({ argv: cliArgv(node, ...args), stdin: input !== undefined });
  process.stdin?.end(input);
  return done;
}
