import { PassThrough, Writable } from 'node:stream';
import type { Duplex } from 'node:stream';
import { NodeletError, isKind } from '../base/errors.js';
import type { Host } from '../ports/host.js';
import type { InteractiveProcess, TerminalSize } from '../ports/interactive-processes.js';
import type { AttachRequest } from './container-runner.js';
import { ReaderPatience } from './reader-patience.js';
import { TerminalSizes } from './terminal-sizes.js';

/** The first byte of each packet that conmon sends: which stream the rest is of. */
const pipes = { stdout: 2, stderr: 3 } as const;
const maxPacketBytes = 8 * 1024;
/** Ctrl-D: a terminal has no half-close, this is what its end-of-file looks like. */
const endOfTransmission = Buffer.from('\x04');

export type AttachParts = Pick<Host, 'connections' | 'files' | 'clock'>;

/** Joins a running container's stdio through its monitor's attach socket, conmon(8). */
export async function attach(request: AttachRequest, parts: AttachParts): Promise<InteractiveProcess> {
  let packets: Duplex;
  try {
    packets = await parts.connections.toPackets(`${request.bundle}/attach`);
  } catch (thrown) {
    if (!isKind(thrown, 'unavailable')) throw thrown;
    throw new NodeletError(
      'wrong-state',
      `container ${request.id} has no monitor to attach to: it is about to end`,
      {
        field: 'container_id',
        cause: thrown,
      },
    );
  }
  return new Attachment(packets, request, parts);
}

class Attachment implements InteractiveProcess {
  readonly stdin: Writable | undefined;
  readonly stdout = new PassThrough();
  readonly stderr: PassThrough | undefined;
  /** 0 once the container, or its monitor, has closed its side; rejects with `exhausted` for a client that takes nothing. */
  readonly exited: Promise<number>;
  private readonly sizes: TerminalSizes;
  private readonly patience: ReaderPatience;
  private fail: (error: NodeletError) => void = () => undefined;

  constructor(
    private readonly packets: Duplex,
    private readonly request: AttachRequest,
    parts: AttachParts,
  ) {
    this.sizes = new TerminalSizes(`${request.bundle}/ctl`, parts);
    this.patience = new ReaderPatience(parts.clock, (error) => {
      this.fail(error);
      this.kill();
    });
    this.stderr = request.terminal ? undefined : new PassThrough();
    this.stdin = request.stdin ? this.input() : undefined;
    this.exited = new Promise((resolve, reject) => {
      this.fail = reject;
      packets.once('close', () => {
        this.sizes.stop();
        this.patience.stop();
        for (const stream of [this.stdout, this.stderr]) stream?.end();
        this.stdin?.destroy();
        resolve(0);
      });
    });
    // It may be rejected before anybody looks.
    this.exited.catch(() => undefined);
    // An error is followed by close, which is what counts.
    packets.on('error', () => undefined);
    packets.once('end', () => packets.destroy());
    packets.on('data', (packet: Buffer) => this.deliver(packet));
    for (const stream of [this.stdout, this.stderr]) stream?.on('drain', () => this.goOn());
  }

  resize(size: TerminalSize): void {
    if (this.request.terminal) this.sizes.want(size);
  }

  /** Lets go of the container, which goes on. */
  kill(): void {
    this.sizes.stop();
    this.patience.stop();
    // conmon takes the end of any connection for the end of a stdin that is open once: one that only
    // listened must not end it, and stays, with nobody behind it, as long as the container.
    if (this.request.stdinOnce && !this.request.stdin) {
      this.stdout.resume();
      this.stderr?.resume();
    } else this.packets.destroy();
  }

  /** A slow reader of either stream holds both back, and with them the container. */
  private deliver(packet: Buffer): void {
    const stream = packet[0] === pipes.stderr ? this.stderr : this.stdout;
    if (stream === undefined || stream.write(packet.subarray(1))) return;
    this.packets.pause();
    this.patience.wait(stream);
  }

  private goOn(): void {
    this.patience.stop();
    this.packets.resume();
  }

  private input(): Writable {
    const { packets, request } = this;
    const send = (bytes: Buffer, done: (error?: Error | null) => void): void => {
      if (packets.destroyed) return done();
      packets.write(bytes.subarray(0, maxPacketBytes), (error) => {
        if (error || bytes.length <= maxPacketBytes) done(error);
        else send(bytes.subarray(maxPacketBytes), done);
      });
    };
    return new Writable({
      write: (bytes: Buffer, _encoding, done) => send(bytes, done),
      // Only a stdin that is open once ends with what its first client sends.
      final: (done) => {
        if (!request.stdinOnce || packets.destroyed) return done();
        if (request.terminal) send(endOfTransmission, done);
        else packets.end(() => done());
      },
    });
  }
}
