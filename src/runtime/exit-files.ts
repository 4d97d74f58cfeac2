import type { ContainerId } from '../base/ids.js';
import type { Files } from '../ports/files.js';
import type { ExitRecord } from './container-runner.js';

/** The files into which monitors write their containers' exit codes, named by container id. */
export class ExitFiles {
  constructor(
    readonly dir: string,
    private readonly files: Files,
  ) {}

  /** Makes the folder. */
  start(): Promise<void> {
    return this.files.makeDir(this.dir, 0o700);
  }

  /** Undefined while there is none. */
  async read(id: ContainerId): Promise<ExitRecord | undefined> {
    const path = `${this.dir}/${id}`;
    const text = (await this.files.read(path))?.toString('utf8').trim() ?? '';
    if (!/^\d+$/.test(text)) return undefined;
    const stat = await this.files.stat(path);
    return {
      exitCode: Number(text),
      finishedAtNs: (BigInt(Math.round((stat?.mtimeMs ?? 0) * 1000)) * 1000n).toString(),
    };
  }

  remove(id: string): Promise<void> {
    return this.files.removeTree(`${this.dir}/${id}`);
  }

  async ids(): Promise<ContainerId[]> {
    return (await this.files.list(this.dir)).filter(isContainerId);
  }

  /** Calls back with the id of each that appears; returns stop. */
  watch(exited: (id: ContainerId) => void): () => void {
    // The monitor writes beside the file first and renames it then: the other name is not of interest.
    return this.files.watch(this.dir, (name) => isContainerId(name) && exited(name));
  }
}

const isContainerId = (name: string): name is ContainerId => /^[0-9a-f]{64}$/.test(name);
