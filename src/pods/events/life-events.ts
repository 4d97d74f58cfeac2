import type { ContainerId, SandboxId } from '../../base/ids.js';
import type { ContainerEventResponse, ContainerEventType } from '../../ports/cri/messages.js';
import { newContainerEventResponse } from '../../ports/cri/messages.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import { EventFeed } from './event-feed.js';
import type { Ledger } from '../ledger.js';
import { containerState, containerStatus, sandboxStatus } from '../messages.js';

/** What happened, with the pod's records at that moment: the messages are made when a reader takes them. */
interface LifeEvent {
  id: string;
  type: ContainerEventType;
  atNs: bigint;
  sandbox: SandboxRecord | undefined;
  containers: ContainerRecord[];
}

/** How far the readers know that something has come. */
type Told = 'created' | 'started' | 'stopped';

/**
 * CRI's container events, read off the ledger: one is told when the record is saved that makes it so, hence a status that
 * is asked for after it agrees with it. The sandbox's own bear its id as the container's, as under the other runtimes: it
 * is created and started when it is ready, stopped when all of it has ended, deleted when nothing is left of it.
 */
export class LifeEvents {
  private readonly feed = new EventFeed<LifeEvent>();
  private readonly told = new Map<string, Told>();
  private lastNs = 0n;

  constructor(
    private readonly ledger: Ledger,
    private readonly nowNs: () => bigint,
  ) {
    // What was there before has been listed by whoever reads from now on.
    for (const { id, stage } of ledger.allSandboxes()) {
      if (stage !== 'creating') this.told.set(id, stage === 'stopped' ? 'stopped' : 'started');
    }
    for (const { id, stage } of ledger.allContainers()) {
      if (stage === 'running') this.told.set(id, 'started');
      else if (stage !== 'creating') this.told.set(id, stage === 'exited' ? 'stopped' : 'created');
    }
    ledger.watch({
      sandboxSaved: (record) => this.sandboxSaved(record),
      sandboxForgotten: (record) => this.forgotten(record.id, record.id, record),
      containerSaved: (record) => this.containerSaved(record),
      containerForgotten: (record) => this.forgotten(record.id, record.sandboxId),
    });
  }

  async *follow(signal: AbortSignal): AsyncGenerator<ContainerEventResponse> {
    for await (const event of this.feed.follow(signal)) yield messageOf(event);
  }

  private sandboxSaved({ id, stage }: SandboxRecord): void {
    if (stage === 'ready' && !this.told.has(id)) {
      this.tell(id, 'created', id);
      this.tell(id, 'started', id);
    }
    if (stage === 'stopped') this.tellStopped(id, id);
  }

  private containerSaved({ id, sandboxId, stage }: ContainerRecord): void {
    if (stage === 'created' && !this.told.has(id)) this.tell(id, 'created', sandboxId);
    if (stage === 'running' && this.told.get(id) !== 'started') this.tell(id, 'started', sandboxId);
    if (stage === 'exited') this.tellStopped(id, sandboxId);
  }

  /** What was never there for a client is not deleted for it either. */
  private forgotten(id: SandboxId | ContainerId, pod: SandboxId, gone?: SandboxRecord): void {
    const told = this.told.get(id);
    if (told === undefined) return;
    if (told === 'started') this.tell(id, 'stopped', pod, gone);
    this.publish(id, 'CONTAINER_DELETED_EVENT', pod, gone);
    this.told.delete(id);
  }

  private tellStopped(id: SandboxId | ContainerId, pod: SandboxId): void {
    if (this.told.get(id) !== 'stopped') this.tell(id, 'stopped', pod);
  }

  private tell(id: SandboxId | ContainerId, told: Told, pod: SandboxId, gone?: SandboxRecord): void {
    this.told.set(id, told);
    this.publish(id, typeOf[told], pod, gone);
  }

  /** `gone` is the pod's sandbox where the ledger has forgotten it: its last status belongs to the event. */
  private publish(
    id: SandboxId | ContainerId,
    type: ContainerEventType,
    pod: SandboxId,
    gone?: SandboxRecord,
  ): void {
    if (!this.feed.hasReaders) return;
    const now = this.nowNs();
    // The clock may be set back; the order of events is not.
    this.lastNs = now > this.lastNs ? now : this.lastNs + 1n;
    this.feed.publish({
      id,
      type,
      atNs: this.lastNs,
      sandbox: this.ledger.sandbox(pod) ?? gone,
      containers: this.ledger.containersOf(pod),
    });
  }
}

const typeOf: Record<Told, ContainerEventType> = {
  created: 'CONTAINER_CREATED_EVENT',
  started: 'CONTAINER_STARTED_EVENT',
  stopped: 'CONTAINER_STOPPED_EVENT',
};

function messageOf({ id, type, atNs, sandbox, containers }: LifeEvent): ContainerEventResponse {
  return newContainerEventResponse({
    container_id: id,
    container_event_type: type,
    created_at: atNs.toString(),
    pod_sandbox_status: sandbox === undefined ? null : sandboxStatus(sandbox),
    containers_statuses: containers
      .filter((record) => containerState(record) !== undefined)
      .map(containerStatus),
  });
}
