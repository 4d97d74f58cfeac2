import { Duplex } from 'node:stream';
import { expect } from 'chai';
import type { ContainerId } from '../../src/base/ids.js';
import type { AttachRequest } from '../../src/runtime/container-runner.js';
import type { AttachParts } from '../../src/runtime/attach.js';
import { attach } from '../../src/runtime/attach.js';
import { stallPatienceMs } from '../../src/runtime/reader-patience.js';
import { until } from '../cri/streaming/fake-process.js';
import { SimClock } from '../sim/clock.js';

/** The monitor's side of an attach socket: packets that wait here hold back the container. */
class Monitor extends Duplex {
  readonly typed: string[] = [];
  printed = 0;
  isEnded = false;
  private reads = false;

  constructor() {
    super({ readableObjectMode: true, readableHighWaterMark: 16, allowHalfOpen: true });
  }

  /** Prints for as long as the other side takes it. */
  print(): void {
    while (this.reads) {
      this.printed += 1;
      this.reads = this.push(Buffer.concat([Buffer.of(2), Buffer.alloc(8191, 'x')]));
    }
  }

  override _read(): void {
    this.reads = true;
  }

  override _write(packet: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.typed.push(packet.toString());
    done();
  }

  override _final(done: () => void): void {
    this.isEnded = true;
    done();
  }
}

describe('runtime: attach, to a client that does not read', () => {
  let clock: SimClock;
  let monitor: Monitor;
  beforeEach(() => {
    clock = new SimClock();
    monitor = new Monitor();
  });
  const attached = (set: Partial<AttachRequest> = {}) => {
    const connections = { toPackets: async () => monitor, toLoopback: () => Promise.reject(new Error()) };
    const parts = { connections, files: {}, clock } as unknown as AttachParts;
    const id = 'c' as ContainerId;
    const target = { id, handler: 'crun', bundle: '/b', cgroupPath: undefined };
    return attach({ ...target, stdin: true, stdinOnce: false, terminal: false, ...set }, parts);
  };
  /** Lets the container print until it is held back; tells how much it has printed in all. */
  async function printed(): Promise<number> {
    await clock.advance(0);
    for (let before = -1; before !== monitor.printed;) {
      before = monitor.printed;
      monitor.print();
      await clock.advance(0);
    }
    return monitor.printed;
  }

  it('holds the container back, bounded, and lets go of the client after ten seconds', async () => {
    const client = await attached();
    const held = await printed();
    expect(held * 8192).to.be.below(512 * 1024);
    await clock.advance(stallPatienceMs - 1);
    expect(monitor.destroyed).to.equal(false);
    await clock.advance(1);
    const error: unknown = await client.exited.catch((thrown: unknown) => thrown);
    expect(error).to.include({ kind: 'exhausted' });
    expect(String(error)).to.contain('10000 ms').and.to.contain('detached');
    await until(() => monitor.destroyed);
  });

  it('waits for one that is slow, as long as it takes something', async () => {
    const client = await attached();
    await printed();
    for (let round = 0; round < 30; round += 1) {
      await clock.advance(stallPatienceMs - 1000);
      client.stdout.read(1);
    }
    expect(monitor.destroyed).to.equal(false);
    client.stdout.resume();
    const before = monitor.printed;
    await until(() => {
      monitor.print();
      return monitor.printed > before + 100;
    });
    await clock.advance(10 * stallPatienceMs);
    expect(monitor.destroyed).to.equal(false);
    client.kill();
  });

  it('does not count the time in which the container prints nothing', async () => {
    const client = await attached();
    await clock.advance(100 * stallPatienceMs);
    expect(monitor.destroyed).to.equal(false);
    client.kill();
  });

  it('goes on without one that only listened, and does not end a stdin that is open once', async () => {
    const client = await attached({ stdin: false, stdinOnce: true });
    const held = await printed();
    await clock.advance(stallPatienceMs);
    expect(await client.exited.catch(() => 'detached')).to.equal('detached');
    await until(() => {
      monitor.print();
      return monitor.printed > held + 100;
    });
    expect([monitor.destroyed, monitor.isEnded]).to.deep.equal([false, false]);
    monitor.destroy();
  });
});
