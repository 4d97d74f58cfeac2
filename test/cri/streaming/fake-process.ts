import { PassThrough } from 'node:stream';
import type { InteractiveProcess, TerminalSize } from '../../../src/ports/interactive-processes.js';

/** A process in memory: what it is told is kept, its streams and end are the test's. */
export class FakeProcess implements InteractiveProcess {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly sizes: TerminalSize[] = [];
  killed = false;
  end: (exitCode: number) => void = () => undefined;
  readonly exited = new Promise<number>((resolve) => (this.end = resolve));

  resize(size: TerminalSize): void {
    this.sizes.push(size);
  }

  kill(): void {
    this.killed = true;
    this.stdout.end();
    this.stderr.end();
    this.end(137);
  }
}

/** Lets the event loop turn until `holds`; a test that waits in vain ends by mocha's timeout. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
