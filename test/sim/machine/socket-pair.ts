import { Duplex } from 'node:stream';

/** Two ends of one connection in memory, each with a bounded buffer and an end of its own, as sockets have them. */
export function socketPair({ packets = false }: { packets?: boolean } = {}): [Duplex, Duplex] {
  const [one, two] = [new End(packets), new End(packets)];
  one.other = two;
  two.other = one;
  return [one, two];
}

class End extends Duplex {
  other: End | undefined;
  private taken: () => void = () => undefined;

  /** With `packets`, each chunk that is written is one that is read. */
  constructor(packets: boolean) {
    super({ allowHalfOpen: true, readableObjectMode: packets });
    this.on('error', () => undefined);
  }

  override _read(): void {
    const taken = this.taken;
    this.taken = () => undefined;
    taken();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.other?.push(chunk) === false) this.other.taken = done;
    else done();
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.other?.destroy();
    done(error);
  }
}
