import { gzipSync } from 'node:zlib';
import {
  halfPackedName,
  nextRotatedName,
  packedName,
  rotatedLogs,
} from '../../../src/agent/logs/log-files.js';
import type { LogPlace } from '../../../src/agent/logs/log-run.js';
import type { RunReaderParts } from '../../../src/agent/logs/run-reader.js';
import { silentLog } from '../../../src/base/call-context.js';
import type { Log } from '../../../src/base/call-context.js';
import { Session } from '../../sim/host/session.js';
import { simHost } from '../../sim/host/sim-host.js';
import { SimMachine } from '../../sim/machine/machine.js';

/** What does to a log what a container's monitor and the rotation do, one step at a time. */
export class LogDisk {
  readonly place: LogPlace = { dir: '/logs/main', name: '0.log' };
  readonly warnings: string[] = [];
  /** Bytes that were read from files so far. */
  readBytes = 0;
  readonly machine = new SimMachine(1);
  readonly parts: RunReaderParts;
  /** Where the monitor writes: the file it has open, under the name it has by now. */
  private openName: string | undefined;

  constructor() {
    const { files, fileReads, clock } = simHost(new Session(this.machine, () => undefined));
    this.machine.files.makeDir(this.place.dir);
    const log: Log = { ...silentLog, warn: (_fields, message) => void this.warnings.push(message) };
    this.parts = {
      files,
      clock,
      log,
      fileReads: {
        open: async (path) => {
          const file = await fileReads.open(path);
          return (
            file && {
              ...file,
              read: async (range) => {
                const bytes = await file.read(range);
                this.readBytes += bytes.length;
                return bytes;
              },
            }
          );
        },
      },
    };
  }

  /** The monitor writes, and makes its file first where it has none open. */
  write(bytes: Uint8Array): void {
    this.openName ??= this.place.name;
    this.machine.files.append(this.path(this.openName), bytes);
  }

  /** The first half of a rotation: what the monitor writes still goes to the renamed file. */
  rename(): void {
    if (this.openName !== this.place.name) return;
    const name = nextRotatedName(
      this.place.name,
      this.names(),
      Number(this.parts.clock.nowNs() / 1_000_000n),
    );
    this.machine.files.move(this.path(this.openName), this.path(name));
    this.openName = name;
  }

  /** The second half. */
  reopen(): void {
    if (this.openName === undefined || this.openName === this.place.name) return;
    this.openName = this.place.name;
    this.machine.files.append(this.path(this.openName), Buffer.alloc(0));
  }

  /** Packs the oldest file that is not packed, unless it is the newest, leaving the plain one beside it for a moment when `torn`. */
  pack(torn = false): void {
    const rotated = rotatedLogs(this.place.name, this.names());
    const one = rotated.slice(0, -1).find(({ packed }) => !packed);
    if (one === undefined) return;
    const content = this.content(one.name);
    this.machine.files.write(this.path(halfPackedName(one.name)), content.subarray(0, 3));
    this.machine.files.write(this.path(packedName(one.name)), gzipSync(content));
    this.machine.files.remove(this.path(halfPackedName(one.name)));
    if (!torn) this.machine.files.remove(this.path(one.name));
  }

  /** Removes the oldest rotated file. */
  drop(): void {
    const [oldest] = rotatedLogs(this.place.name, this.names());
    if (oldest !== undefined) this.machine.files.remove(this.path(oldest.name));
  }

  content(name: string): Buffer {
    const node = this.machine.files.find(this.path(name));
    return node?.kind === 'file' ? node.content : Buffer.alloc(0);
  }

  names(): string[] {
    return this.machine.files.list(this.place.dir);
  }

  path(name: string): string {
    return `${this.place.dir}/${name}`;
  }
}
