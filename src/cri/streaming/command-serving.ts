import type { Readable } from 'node:stream';
import type { Log } from '../../base/call-context.js';
import { asNodeletError } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { CommandSession } from '../../ports/cri/streaming.js';
import type { InteractiveProcess, TerminalSize } from '../../ports/interactive-processes.js';
import type { CommandClient } from './command-client.js';

/** Output is over when a process has ended and this long nothing came from whoever else holds its streams. */
const quietMs = 1000;
/** Until the client tells the size of its terminal. */
const defaultSize: TerminalSize = { columns: 80, rows: 24 };

/** Serves one exec or attach to a client, to its end; what was started ends with the client, if that goes first. */
export async function serveCommand(
  client: CommandClient,
  session: CommandSession,
  { clock, log }: { clock: Clock; log: Log },
): Promise<void> {
  const serving = new CommandServing(client, session, clock);
  try {
    const exitCode = await serving.run();
    log.debug({ exitCode }, 'command ended');
    await client.finish({ exitCode });
  } catch (thrown) {
    const error = asNodeletError(thrown);
    log.warn({ err: error.describe() }, 'command failed');
    await client.finish({ error });
  } finally {
    serving.end();
  }
}

class CommandServing {
  private process: InteractiveProcess | undefined;
  private size: TerminalSize | undefined;
  private lastOutputMs = 0;
  private sending = 0;

  constructor(
    private readonly client: CommandClient,
    private readonly session: CommandSession,
    private readonly clock: Clock,
  ) {}

  /** Exit code of the command, once all of its output has been sent. */
  async run(): Promise<number> {
    const { client, session } = this;
    await client.ready;
    client.onSize((size) => {
      this.size = size;
      this.process?.resize(size);
    });
    const process = await session.start(this.size ?? defaultSize);
    this.process = process;
    if (client.gone.aborted) process.kill();
    else client.gone.addEventListener('abort', () => process.kill(), { once: true });
    // It may have changed while the command was started.
    if (this.size !== undefined) process.resize(this.size);
    this.feed(process);
    const outputs = Promise.all([
      this.forward(process.stdout, session.stdout ? 'stdout' : undefined),
      process.stderr && this.forward(process.stderr, session.stderr ? 'stderr' : undefined),
    ]);
    const exitCode = await process.exited;
    await Promise.race([outputs, this.outputQuiet()]);
    return exitCode;
  }

  /** Ends whatever is still there of the process. */
  end(): void {
    this.process?.kill();
  }

  private feed(process: InteractiveProcess): void {
    const { stdin } = process;
    const input = this.client.stdin;
    // A client's connection must not wait for what nobody reads.
    if (stdin === undefined || !this.session.stdin) return void input.resume();
    input.pipe(stdin);
    // A stream that the client has reset doesn't end, but nothing comes from it either.
    input.once('close', () => stdin.end());
    stdin.once('close', () => input.unpipe(stdin).resume());
  }

  /** Sends a stream as it comes, no faster than the client takes it; without a name it is thrown away. */
  private async forward(stream: Readable, name: 'stdout' | 'stderr' | undefined): Promise<void> {
    try {
      for await (const chunk of stream) if (name !== undefined) await this.send(name, chunk as Buffer);
    } catch {
      // Broken by the end of process or client: the one has its exit code, the other no interest.
    }
  }

  private async send(name: 'stdout' | 'stderr', data: Buffer): Promise<void> {
    this.sending += 1;
    await this.client.send(name, data).finally(() => {
      this.sending -= 1;
      this.lastOutputMs = this.clock.monotonicMs();
    });
  }

  private async outputQuiet(): Promise<void> {
    this.lastOutputMs = this.clock.monotonicMs();
    while (!this.client.gone.aborted) {
      const waitMs = this.lastOutputMs + quietMs - this.clock.monotonicMs();
      if (waitMs <= 0 && this.sending === 0) return;
      await this.clock.sleep(Math.max(waitMs, 10), this.client.gone).catch(() => undefined);
    }
  }
}
