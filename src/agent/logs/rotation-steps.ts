import { basename, dirname } from 'node:path';
import { backgroundContext } from '../../base/call-context.js';
import { NodeletError, asNodeletError, isKind } from '../../base/errors.js';
import { KeyedQueue } from '../../base/keyed-queue.js';
import { newReopenContainerLogRequest } from '../../ports/cri/messages.js';
import type { AgentParts } from '../agent-config.js';
import { halfPackedName, nextRotatedName, packedName, parseRotatedLog, rotatedLogs } from './log-files.js';
import { LogPacker } from './log-packer.js';

export interface ContainerLog {
  containerId: string;
  /** The file that is being written, `…/0.log`. */
  path: string;
}

export type RotationParts = Pick<AgentParts, 'cri' | 'files' | 'clock' | 'log' | 'config'>;

/**
 * What is done to the files of one log. Steps of one log take turns. Each can be cut short by SIGKILL, and the next
 * rotation or start goes on from the names that it finds:
 *
 *   0.log ──rename──► 0.log.STAMP, no 0.log ──reopen──► 0.log.STAMP, 0.log
 *   0.log.STAMP ──gzip──► + 0.log.STAMP.gz.tmp ──rename──► + 0.log.STAMP.gz ──remove──► 0.log.STAMP.gz alone
 */
export class RotationSteps {
  private readonly turns = new KeyedQueue<string>();
  private readonly packer: LogPacker;

  constructor(
    private readonly parts: RotationParts,
    private readonly signal: AbortSignal,
  ) {
    this.packer = new LogPacker(parts, this.turns, signal);
  }

  /** Moves the log away and lets the runtime begin a new one; false where it has gone meanwhile. */
  rotate(log: ContainerLog): Promise<boolean> {
    return this.turns.run(log.path, async () => {
      const { files, clock } = this.parts;
      const dir = dirname(log.path);
      const nowMs = Number(clock.nowNs() / 1_000_000n);
      const moved = `${dir}/${nextRotatedName(basename(log.path), await files.list(dir), nowMs)}`;
      if (!(await files.renameIfFree(log.path, moved))) return false;
      try {
        await this.askForNew(log);
        return true;
      } catch (thrown) {
        // Nobody will make a new log then. After other errors the runtime may be about to: moved back, the log could be replaced.
        if (['wrong-state', 'not-found', 'unavailable'].some((kind) => asNodeletError(thrown).kind === kind))
          await files.renameIfFree(moved, log.path);
        throw thrown;
      }
    });
  }

  /** Lets the runtime begin a new log where there is none: a rotation was cut short, or somebody has removed it. */
  reopen(log: ContainerLog): Promise<void> {
    return this.turns.run(log.path, () => this.askForNew(log));
  }

  /**
   * Removes the rotated files that are too many and those that were half packed, has all but the newest packed, and gives the
   * bytes of all files in the folder but the log itself.
   */
  tidy({ path }: ContainerLog): Promise<number> {
    return this.turns.run(path, async () => {
      const { files, config } = this.parts;
      const [dir, current] = [dirname(path), basename(path)];
      const names = await files.list(dir);
      const remove = (name: string) => files.removeTree(`${dir}/${name}`);
      const rotated = rotatedLogs(current, names);
      const excess = rotated.splice(0, Math.max(0, rotated.length - (config.logs.maxFiles - 1)));
      for (const { name } of excess) for (const each of [name, packedName(name)]) await remove(each);
      for (const name of names) {
        const plain = name.replace(/\.gz\.tmp$/, '');
        const isHalf = parseRotatedLog(current, plain) !== undefined && name === halfPackedName(plain);
        if (isHalf && !this.packer.isAt(`${dir}/${plain}`)) await remove(name);
        // The runtime half was killed on its way to `0.log.tmp`, which itself is the monitor's to take.
        if (name.startsWith(`${current}.tmp.`)) await remove(name);
      }
      for (const { name, packed } of rotated.slice(0, -1))
        if (!packed) this.packer.add({ turn: path, file: `${dir}/${name}` });
      const sizes = names.filter((name) => name !== current).map((name) => files.stat(`${dir}/${name}`));
      return (await Promise.all(sizes)).reduce((sum, stat) => sum + (stat?.sizeBytes ?? 0), 0);
    });
  }

  /** Resolves when nothing is under way any more on logs below the folder. */
  async release(folder: string, paths: readonly string[]): Promise<void> {
    await this.packer.release(folder);
    await Promise.all(paths.map((path) => this.turns.run(path, () => Promise.resolve())));
  }

  async stop(): Promise<void> {
    await this.packer.release('/');
    await this.turns.drain();
  }

  private async askForNew({ containerId, path }: ContainerLog): Promise<void> {
    const { cri, log, files } = this.parts;
    const request = newReopenContainerLogRequest({ container_id: containerId });
    await cri.runtime.ReopenContainerLog(request, backgroundContext(log, this.signal));
    if ((await files.stat(path)) === undefined)
      throw new NodeletError('tool-failed', `the runtime has made no new log at ${path}`);
  }
}

/** The container has ended meanwhile: there is no log to begin. */
export const hasEnded = (thrown: unknown): boolean =>
  isKind(thrown, 'wrong-state') || isKind(thrown, 'not-found');
