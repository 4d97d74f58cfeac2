import type { Agent } from '../../src/agent/agent.js';
import { createAgent } from '../../src/agent/agent.js';
import { silentLog } from '../../src/base/call-context.js';
import { createFileReads } from '../../src/host/file-reads.js';
import type { FileStat, Files } from '../../src/ports/files.js';
import type { RecordStore, RecordTable } from '../../src/ports/record-store.js';
import { SimClock } from '../sim/clock.js';
import { CriModel } from '../sim/cri-model.js';

/** A machine in memory around one agent, which may be restarted. */
export class AgentWorld {
  readonly clock = new SimClock();
  readonly cri = new CriModel(this.clock);
  readonly tree = new Map<string, string>();
  readonly rotations: string[] = [];
  private readonly tables = new Map<string, Map<string, string>>();
  private watchers: (() => void)[] = [];
  private serial = 0;
  agent: Agent;

  constructor(private readonly podLogDir = '/logs') {
    this.agent = this.newAgent();
  }

  private newAgent(): Agent {
    return createAgent({
      cri: this.cri,
      files: this.files(),
      fileReads: createFileReads(),
      store: this.store(),
      clock: this.clock,
      random: { hex: (count) => (++this.serial).toString(16).padStart(count * 2, '0'), fraction: () => 0.5 },
      log: silentLog,
      metrics: { logRotation: (outcome) => void this.rotations.push(outcome) },
      config: {
        logs: { maxSizeBytes: 1000, maxFiles: 3, checkPeriodMs: 2000 },
        manifestDir: '/manifests',
        podLogDir: this.podLogDir,
        rootDir: '/root',
        nodeName: 'node1',
        machineMemoryBytes: 8 * 1024 ** 3,
      },
    });
  }

  /** Stops the agent and starts another one on the same machine. */
  async restart(): Promise<void> {
    await this.agent.stop();
    this.agent = this.newAgent();
    await this.agent.start();
  }

  async putManifest(file: string, text: string | undefined): Promise<void> {
    if (text === undefined) this.tree.delete(`/manifests/${file}`);
    else this.tree.set(`/manifests/${file}`, text);
    for (const changed of this.watchers) changed();
    await this.clock.advance(0);
  }

  private store(): RecordStore {
    return {
      table: <T>(name: string): RecordTable<T> => {
        const rows = this.tables.get(name) ?? new Map<string, string>();
        this.tables.set(name, rows);
        return {
          get: (key) => (rows.has(key) ? (JSON.parse(rows.get(key) ?? '') as T) : undefined),
          put: async (key, value) => void rows.set(key, JSON.stringify(value)),
          remove: async (key) => void rows.delete(key),
          entries: () => [...rows].map(([key, value]) => [key, JSON.parse(value) as T]),
        };
      },
      flushed: async () => undefined,
      refusal: async () => undefined,
      close: async () => undefined,
    };
  }

  private files(): Files {
    const under = (path: string): string[] =>
      [...this.tree.keys()].filter((key) => key.startsWith(`${path}/`));
    return {
      setOwner: async () => undefined,
      writeToFifo: async () => undefined,
      takeFromFifo: async () => '',
      readLink: async () => undefined,
      realPath: async (path) => (this.tree.has(path) || under(path).length > 0 ? path : undefined),
      realPathIn: async (root, path) => (this.tree.has(`${root}${path}`) ? `${root}${path}` : undefined),
      read: async (path) => (this.tree.has(path) ? Buffer.from(this.tree.get(path) ?? '') : undefined),
      writeAtomic: async (path, content) => void this.tree.set(path, String(content)),
      rename: async (from, to) => {
        this.tree.set(to, this.tree.get(from) ?? '');
        this.tree.delete(from);
      },
      renameIfFree: async (from, to) => {
        const text = this.tree.get(from);
        if (text === undefined || this.tree.has(to)) return false;
        this.tree.set(to, text);
        return this.tree.delete(from);
      },
      gzip: async ({ from, to }) => void this.tree.set(to, `gz ${this.tree.get(from) ?? ''}`),
      makeDir: async (path) => void this.tree.set(`${path}/.`, ''),
      removeTree: async (path) => [path, ...under(path)].forEach((key) => this.tree.delete(key)),
      list: async (path) =>
        [...new Set(under(path).map((key) => key.slice(path.length + 1).split('/')[0] ?? ''))]
          .filter((n) => n !== '.')
          .sort(),
      stat: async (path): Promise<FileStat | undefined> => {
        const kind = this.tree.has(path) ? 'file' : under(path).length > 0 ? 'dir' : undefined;
        return (
          kind && {
            kind,
            sizeBytes: this.tree.get(path)?.length ?? 0,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtimeMs: 0,
          }
        );
      },
      watch: (dir, changed) => {
        const fire = (): void => changed(dir);
        this.watchers.push(fire);
        return () => (this.watchers = this.watchers.filter((other) => other !== fire));
      },
    };
  }
}

export function manifest(name: string, spec = '', container = ''): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec:\n${spec}  containers:\n  - name: main\n    image: app:1\n${container}`;
}
