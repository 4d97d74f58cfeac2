import { NodeletError } from '../base/errors.js';
import type { ContainerId, SandboxId } from '../base/ids.js';
import type { RecordStore, RecordTable } from '../ports/record-store.js';
import type { ContainerRecord, SandboxRecord } from '../state/records.js';

/** Told of each change once it is durable and to be read from the ledger. */
export interface LedgerWatcher {
  sandboxSaved(record: SandboxRecord): void;
  /** With the record as it was last. */
  sandboxForgotten(record: SandboxRecord): void;
  containerSaved(record: ContainerRecord): void;
  containerForgotten(record: ContainerRecord): void;
}

/**
 * All sandboxes and containers: in memory for reading, in the record store for good. A save resolves once
 * the record is durable; the memory follows the store, never the other way round.
 */
export class Ledger {
  private readonly sandboxTable: RecordTable<SandboxRecord>;
  private readonly containerTable: RecordTable<ContainerRecord>;
  private readonly sandboxes = new Map<string, SandboxRecord>();
  private readonly containers = new Map<string, ContainerRecord>();
  private readonly bySandbox = new Map<SandboxId, Map<ContainerId, ContainerRecord>>();
  private watcher: LedgerWatcher | undefined;

  constructor(store: RecordStore) {
    this.sandboxTable = store.table('sandboxes');
    this.containerTable = store.table('containers');
    for (const [id, record] of this.sandboxTable.entries()) this.sandboxes.set(id, record);
    for (const [, record] of this.containerTable.entries()) this.remember(record);
  }

  watch(watcher: LedgerWatcher): void {
    this.watcher = watcher;
  }

  async saveSandbox(record: SandboxRecord): Promise<void> {
    await this.sandboxTable.put(record.id, record);
    this.sandboxes.set(record.id, record);
    this.watcher?.sandboxSaved(record);
  }

  async forgetSandbox(id: SandboxId): Promise<void> {
    await this.sandboxTable.remove(id);
    const last = this.sandboxes.get(id);
    this.sandboxes.delete(id);
    if (last !== undefined) this.watcher?.sandboxForgotten(last);
  }

  async saveContainer(record: ContainerRecord): Promise<void> {
    await this.containerTable.put(record.id, record);
    this.remember(record);
    this.watcher?.containerSaved(record);
  }

  async forgetContainer(id: ContainerId): Promise<void> {
    await this.containerTable.remove(id);
    const last = this.containers.get(id);
    this.forget(id);
    if (last !== undefined) this.watcher?.containerForgotten(last);
  }

  allSandboxes(): SandboxRecord[] {
    return [...this.sandboxes.values()];
  }

  allContainers(): ContainerRecord[] {
    return [...this.containers.values()];
  }

  containersOf(id: SandboxId): ContainerRecord[] {
    return [...(this.bySandbox.get(id)?.values() ?? [])];
  }

  private remember(record: ContainerRecord): void {
    this.containers.set(record.id, record);
    const siblings = this.bySandbox.get(record.sandboxId) ?? new Map<ContainerId, ContainerRecord>();
    this.bySandbox.set(record.sandboxId, siblings.set(record.id, record));
  }

  private forget(id: ContainerId): void {
    const record = this.containers.get(id);
    if (record === undefined) return;
    this.containers.delete(id);
    const siblings = this.bySandbox.get(record.sandboxId);
    siblings?.delete(id);
    if (siblings?.size === 0) this.bySandbox.delete(record.sandboxId);
  }

  /** The record as it is now: an earlier copy may be out of date after an await. */
  sandbox(id: SandboxId): SandboxRecord | undefined {
    return this.sandboxes.get(id);
  }

  container(id: ContainerId): ContainerRecord | undefined {
    return this.containers.get(id);
  }

  /** By full id or an unambiguous prefix, as crictl users type it; `not-found` naming the field otherwise. */
  findSandbox(given: string, field = 'pod_sandbox_id'): SandboxRecord {
    const found = findById(this.sandboxes, given, field, 'pod sandbox');
    if (found === undefined) throw missing('pod sandbox', given, field);
    return found;
  }

  findContainer(given: string): ContainerRecord {
    const found = findById(this.containers, given, 'container_id', 'container');
    if (found === undefined) throw missing('container', given, 'container_id');
    return found;
  }

  /** As findSandbox, but undefined when it is gone: Stop and Remove of something gone succeed. */
  findSandboxIfAny(given: string): SandboxRecord | undefined {
    return findById(this.sandboxes, given, 'pod_sandbox_id', 'pod sandbox');
  }

  findContainerIfAny(given: string): ContainerRecord | undefined {
    return findById(this.containers, given, 'container_id', 'container');
  }
}

function missing(what: string, given: string, field: string): NodeletError {
  return new NodeletError('not-found', `there is no ${what} with id "${given}"`, { field });
}

function findById<T>(records: Map<string, T>, given: string, field: string, what: string): T | undefined {
  if (given === '') throw new NodeletError('invalid', `the ${what} id is empty`, { field });
  const exact = records.get(given);
  if (exact !== undefined) return exact;
  const matches = [...records.keys()].filter((id) => id.startsWith(given));
  if (matches.length > 1) {
    throw new NodeletError('invalid', `id prefix "${given}" fits ${matches.length} of them`, {
      field,
      remedy: 'give more characters of the id',
    });
  }
  return matches[0] === undefined ? undefined : records.get(matches[0]);
}
