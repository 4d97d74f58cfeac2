import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { NodeletError, asNodeletError } from '../base/errors.js';
import type { RecordStore, RecordTable } from '../ports/record-store.js';

export interface RecordStorePaths {
  /** Folder of the records, on a disk. */
  storePath: string;
  /** Folder of this boot's copy of them; on a tmpfs it costs no disk traffic. */
  bootPath: string;
}

interface TablePair {
  name: string;
  boot: Database<string, string>;
  disk: Database<string, string>;
}

const tablesMax = 64;
/** The table about the store itself: its id, and in the copy which tables are whole. */
const aboutTable = 'store';

/**
 * Records in two LMDB environments. What is put goes into this boot's copy, which is never synced and so takes
 * microseconds, and which a killed process leaves as it was; from there it follows to the disk, many changes in one
 * transaction. The copy is believed only by the boot that made it, and only for the store that it is a copy of.
 */
export function createRecordStore(paths: RecordStorePaths): RecordStore {
  const disk = openEnvironment(paths.storePath, false);
  const aboutDisk = disk.openDB<string, string>({ name: aboutTable });
  const id = aboutDisk.get('id') ?? randomUUID();
  aboutDisk.putSync('id', id);
  const origin = `${id} ${fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`;
  const boot = openCopy(paths.bootPath, origin);
  const aboutBoot = boot.openDB<string, string>({ name: aboutTable });
  const follower = new DiskFollower(paths.storePath);

  const openTable = (name: string): TablePair => {
    const pair = {
      name,
      boot: boot.openDB<string, string>({ name }),
      disk: disk.openDB<string, string>({ name }),
    };
    if (aboutBoot.get(`whole ${name}`) === undefined) {
      boot.transactionSync(() => {
        for (const { key, value } of pair.disk.getRange()) pair.boot.putSync(key, value);
        aboutBoot.putSync(`whole ${name}`, 'yes');
      });
      return pair;
    }
    // The last process may have been killed before the disk had followed.
    const keys = new Set([...pair.boot.getKeys(), ...pair.disk.getKeys()]);
    for (const key of keys) if (pair.boot.get(key) !== pair.disk.get(key)) follower.follow(pair, key);
    return pair;
  };

  return {
    table: <T>(name: string): RecordTable<T> => {
      const pair = openTable(name);
      const change = async (key: string, act: () => void): Promise<void> => {
        await follower.insist();
        act();
        follower.follow(pair, key);
      };
      const parse = (text: string): T => JSON.parse(text) as T;
      return {
        get: (key) => {
          const text = pair.boot.get(key);
          return text === undefined ? undefined : parse(text);
        },
        put: (key, value) => {
          // As it is now: what the caller does to it later is not in the record.
          const text = JSON.stringify(value);
          return change(key, () => pair.boot.putSync(key, text));
        },
        remove: (key) => change(key, () => pair.boot.removeSync(key)),
        entries: () => [...pair.boot.getRange()].map(({ key, value }) => [key, parse(value)]),
      };
    },
    flushed: () => follower.caughtUp(),
    refusal: () =>
      follower.insist().then(
        () => undefined,
        (thrown: unknown) => asNodeletError(thrown),
      ),
    close: async () => {
      await follower.caughtUp().finally(async () => {
        await boot.close();
        await disk.close();
      });
    },
  };
}

function openEnvironment(path: string, noSync: boolean): RootDatabase<string, string> {
  return open<string, string>({ path, encoding: 'string', maxDbs: tablesMax, noSync });
}

/** This boot's copy, empty when what lies there is of another boot, whose end may have torn it, or of another store. */
function openCopy(path: string, origin: string): RootDatabase<string, string> {
  const mark = `${path}/origin`;
  const found = fs.existsSync(mark) ? fs.readFileSync(mark, 'utf8') : undefined;
  if (found !== origin) {
    fs.rmSync(path, { recursive: true, force: true });
    fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  }
  const copy = openEnvironment(path, true);
  if (found !== origin) fs.writeFileSync(mark, origin);
  return copy;
}

/** Waited before a transaction on the disk, so that what changes meanwhile shares it. */
const pauseMs = 20;

/** Brings the disk to the state of the copy: one transaction at a time, of everything that changed meanwhile. */
class DiskFollower {
  /** By table and key, so that only the last of several changes is written. */
  private readonly behind = new Map<string, { pair: TablePair; key: string }>();
  private changes = 0;
  private waiting: { forChange: number; resolve: () => void; reject: (reason: NodeletError) => void }[] = [];
  private atWork = false;
  private failure: NodeletError | undefined;
  private endPause: () => void = () => undefined;

  constructor(private readonly path: string) {}

  follow(pair: TablePair, key: string): void {
    this.behind.set(`${pair.name}\0${key}`, { pair, key });
    this.changes += 1;
    void this.work();
  }

  /** Refuses further changes while the disk can't take those that it has been given. */
  async insist(): Promise<void> {
    if (this.failure !== undefined) await this.caughtUp();
  }

  /** Resolves when the disk has all changes up to now; tries again what failed before, and fails where it can't. */
  async caughtUp(): Promise<void> {
    if (this.behind.size === 0 && !this.atWork) return;
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ forChange: this.changes, resolve, reject });
      this.endPause();
      void this.work();
    });
  }

  private async work(): Promise<void> {
    if (this.atWork) return;
    this.atWork = true;
    do {
      if (this.waiting.length === 0) await this.pause();
      await this.writeBehind();
    } while (this.behind.size > 0 && this.failure === undefined);
    this.atWork = false;
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async writeBehind(): Promise<void> {
    const [upTo, batch] = [this.changes, [...this.behind]];
    this.behind.clear();
    try {
      await Promise.all(
        batch.map(async ([, { pair, key }]) => {
          const text = pair.boot.get(key);
          await (text === undefined ? pair.disk.remove(key) : pair.disk.put(key, text));
        }),
      );
      await batch[0]?.[1].pair.disk.flushed;
      this.failure = undefined;
      this.waiting.filter(({ forChange }) => forChange <= upTo).forEach(({ resolve }) => resolve());
      this.waiting = this.waiting.filter(({ forChange }) => forChange > upTo);
    } catch (thrown) {
      const failure = new NodeletError('exhausted', `records can't be written to ${this.path}`, {
        remedy: 'make room on that disk; until then nothing can be changed',
        cause: thrown,
      });
      for (const [name, change] of batch) if (!this.behind.has(name)) this.behind.set(name, change);
      this.failure = failure;
      this.waiting.splice(0).forEach(({ reject }) => reject(failure));
    }
  }
}
