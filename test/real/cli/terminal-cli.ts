import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { createInteractiveProcesses } from '../../../src/host/interactive.js';
import type { TerminalSize } from '../../../src/ports/interactive-processes.js';
import { waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { cliArgv } from './nodelet-cli.js';

/** How a program on a terminal ended. */
export interface TerminalEnd {
  exitCode: number;
  /** Whether all modes of the terminal are as they were before. */
  restored: boolean;
  /** All that the terminal was told to show, byte for byte (latin1). */
  screen: string;
}

export interface TerminalRun {
  type(keys: string | Buffer): void;
  /** All that the terminal was told to show so far (latin1). */
  screen(): string;
  resize(size: TerminalSize): void;
  /** Waits until the screen shows a text. */
  shows(text: string | RegExp): Promise<void>;
  /** Process id of the program itself. */
  pid(): Promise<number>;
  ended: Promise<TerminalEnd>;
  /** Kills all of it, whether it has ended or not. */
  kill(): void;
}

const interactive = createInteractiveProcesses();
/** What no terminal begins with, so that putting back a usual one shows. */
const oddModes = 'stty erase ^A -ixon tab3';

const quoted = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');

/**
 * Runs `nodelet ARGS` as a shell's foreground program on a terminal of its own. `around` puts more of shell code around its
 * command line.
 */
export async function onTerminal(
  node: RealNode,
  args: string[],
  { size = { columns: 90, rows: 10 }, env = {}, around = (line: string) => line } = {},
): Promise<TerminalRun> {
  const note = `${node.dir}/terminal-${randomBytes(4).toString('hex')}`;
  const program = `sh -c 'echo $$ >${note}.pid; exec "$@"' - ${quoted(cliArgv(node, ...args))}`;
  const script = `${oddModes}; before=$(stty -g)
${around(program)}
code=$?; [ "$before" = "$(stty -g)" ] && state=restored || state=changed
echo "$code $state" >${note}.end`;
  const process = await interactive.start({
    argv: ['sh', '-c', script],
    env: { PATH: globalThis.process.env['PATH'] ?? '', ...env },
    stdin: true,
    terminal: { ...size, relay: false },
  });
  let shown = '';
  process.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString('latin1')));
  const closed = new Promise((resolve) => process.stdout.once('close', resolve));
  const has = (text: string | RegExp) => (typeof text === 'string' ? shown.includes(text) : text.test(shown));
  return {
    type: (keys) => void process.stdin?.write(keys),
    screen: () => shown,
    resize: (changed) => process.resize(changed),
    shows: (text) =>
      waitFor(`the screen shows ${String(text)}`, () => has(text)).catch((thrown: Error) => {
        throw new Error(`${thrown.message}, but it shows:\n${shown.slice(-2000)}`);
      }),
    pid: async () => {
      await waitFor('the program', () => fs.existsSync(`${note}.pid`));
      await waitFor('its pid', () => fs.readFileSync(`${note}.pid`, 'utf8').endsWith('\n'));
      return Number(fs.readFileSync(`${note}.pid`, 'utf8'));
    },
    ended: Promise.all([process.exited, closed]).then(() => {
      const [code, state] = fs.readFileSync(`${note}.end`, 'utf8').trim().split(' ');
      return { exitCode: Number(code), restored: state === 'restored', screen: shown };
    }),
    kill: () => process.kill(),
  };
}
