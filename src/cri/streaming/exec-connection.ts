import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { Log } from '../../base/call-context.js';
import { NodeletError, asNodeletError } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { ExecSession } from '../../ports/cri/streaming.js';
import type { InteractiveProcess, TerminalSize } from '../../ports/interactive-processes.js';
import type { Channel } from './channels.js';
import { channels, decodeFrame, decodeSize, encodeFrame, encodeOutcome } from './channels.js';

const heartbeatMs = 3000;
/** Output is over when a process has ended and this long nothing came from whoever else holds its streams. */
const quietMs = 1000;
const defaultSize: TerminalSize = { columns: 80, rows: 24 };
/** Ctrl-D: a terminal has no half-close, this is what its end-of-file looks like. */
const endOfTransmission = '\x04';
const normalClosure = 1000;

/** Serves one exec over an accepted WebSocket, to its end. The process tree ends with the connection, if that is first. */
export async function serveExec(
  socket: WebSocket,
  session: ExecSession,
  { clock, log }: { clock: Clock; log: Log },
): Promise<void> {
  const connection = new ExecConnection(socket, session, clock);
  try {
    const exitCode = await connection.run();
    log.debug({ exitCode }, 'exec ended');
    await connection.finish(encodeOutcome({ exitCode }));
  } catch (thrown) {
    const error = asNodeletError(thrown);
    log.warn({ err: error.describe() }, 'exec failed');
    await connection.finish(encodeOutcome({ error }));
  } finally {
    connection.end();
  }
}

class ExecConnection {
  /** What the client has sent and the process not yet taken: bounded, then the connection is paused. */
  private readonly input = new PassThrough();
  private readonly gone = new AbortController();
  private process: InteractiveProcess | undefined;
  private size = defaultSize;
  private lastOutputMs: number;
  private sending = 0;
  private stopHeartbeat: () => void = () => undefined;

  constructor(
    private readonly socket: WebSocket,
    private readonly session: ExecSession,
    private readonly clock: Clock,
  ) {
    this.lastOutputMs = clock.monotonicMs();
    socket.on('message', (message: RawData) => this.receive(message as Buffer));
    // An error is followed by close, which is what counts.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.gone.abort(new NodeletError('canceled', 'the client has gone away'));
      this.stopHeartbeat();
      this.process?.kill();
    });
    this.input.on('drain', () => socket.resume());
    this.heartbeat();
  }

  /** Exit code of the command, once all of its output has been sent. */
  async run(): Promise<number> {
    // An empty message tells the client that the command is on its way, as the kubelet does.
    await this.send(this.session.stdout ? channels.stdout : channels.error, Buffer.alloc(0));
    const process = await this.session.start(this.size);
    this.process = process;
    if (this.gone.signal.aborted) process.kill();
    process.resize(this.size);
    this.feed(process);
    const outputs = Promise.all([
      this.forward(process.stdout, this.session.stdout ? channels.stdout : undefined),
      process.stderr && this.forward(process.stderr, this.session.stderr ? channels.stderr : undefined),
    ]);
    const exitCode = await process.exited;
    await Promise.race([outputs, this.outputQuiet()]);
    return exitCode;
  }

  async finish(outcome: Buffer): Promise<void> {
    if (this.socket.readyState !== this.socket.OPEN) return;
    await new Promise<void>((resolve) => this.socket.send(outcome, () => resolve()));
    // Paused, the connection would never see the client's answer to the close.
    this.input.resume();
    this.socket.resume();
    this.socket.close(normalClosure);
  }

  /** Ends whatever is still there of the process. */
  end(): void {
    this.process?.kill();
  }

  private receive(message: Buffer): void {
    const frame = decodeFrame(message);
    if (frame === undefined) return;
    const { channel, data } = frame;
    if (channel === channels.stdin) this.receiveInput(data);
    else if (channel === channels.close && data[0] === channels.stdin) this.endInput();
    else if (channel === channels.resize) this.resize(decodeSize(data));
  }

  private receiveInput(data: Buffer): void {
    if (this.input.writableEnded || data.length === 0) return;
    if (!this.input.write(data)) this.socket.pause();
  }

  private endInput(): void {
    if (this.input.writableEnded) return;
    if (this.session.tty) this.input.write(endOfTransmission);
    this.input.end();
  }

  private resize(size: TerminalSize | undefined): void {
    if (size === undefined) return;
    this.size = size;
    this.process?.resize(size);
  }

  private feed(process: InteractiveProcess): void {
    const { stdin } = process;
    if (stdin === undefined || !this.session.stdin) {
      this.input.resume();
      return;
    }
    this.input.pipe(stdin, { end: !this.session.tty });
    // A process that reads no more must not keep the connection paused.
    stdin.once('close', () => this.input.unpipe(stdin).resume());
  }

  /** Sends a stream as it comes, no faster than the client takes it; without a channel it is thrown away. */
  private async forward(stream: Readable, channel: Channel | undefined): Promise<void> {
    try {
      for await (const chunk of stream) if (channel !== undefined) await this.send(channel, chunk as Buffer);
    } catch {
      // Broken by the end of process or client: the one has its exit code, the other no interest.
    }
  }

  private async send(channel: Channel, data: Buffer): Promise<void> {
    this.sending += 1;
    await new Promise<void>((resolve, reject) => {
      this.socket.send(encodeFrame(channel, data), (error) => {
        if (error) reject(error);
        else resolve();
      });
    }).finally(() => {
      this.sending -= 1;
      this.lastOutputMs = this.clock.monotonicMs();
    });
  }

  private async outputQuiet(): Promise<void> {
    this.lastOutputMs = this.clock.monotonicMs();
    while (!this.gone.signal.aborted) {
      const waitMs = this.lastOutputMs + quietMs - this.clock.monotonicMs();
      if (waitMs <= 0 && this.sending === 0) return;
      await this.clock.sleep(Math.max(waitMs, 10), this.gone.signal).catch(() => undefined);
    }
  }

  /** A paused connection does not notice that its client has gone; a failing write does. */
  private heartbeat(): void {
    this.stopHeartbeat = this.clock.after(heartbeatMs, () => {
      if (this.socket.readyState !== this.socket.OPEN) return;
      this.socket.ping();
      this.heartbeat();
    });
  }
}
