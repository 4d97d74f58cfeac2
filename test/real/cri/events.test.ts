import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../../src/base/call-context.js';
import { asNodeletError } from '../../../src/base/errors.js';
import { createCriClient } from '../../../src/cri/client.js';
import type { CriClient } from '../../../src/cri/client.js';
import type { ContainerEventResponse } from '../../../src/ports/cri/messages.js';
import {
  newGetEventsRequest,
  newRemoveContainerRequest,
  newStopContainerRequest,
  newStopPodSandboxRequest,
} from '../../../src/ports/cri/messages.js';
import { testClock as clock } from '../../cri/runtime-double.js';
import { PodClient } from '../pod-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';

/** A client with a connection of its own that follows the events, once it is told to read. */
class Follower {
  readonly events: ContainerEventResponse[] = [];
  ended: unknown;
  private readonly client: CriClient;
  private readonly left = new AbortController();
  private readonly stream: AsyncIterable<ContainerEventResponse>;

  constructor(node: RealNode) {
    this.client = createCriClient({ socketPath: node.config.criSocket, clock });
    const ctx = backgroundContext(silentLog, this.left.signal);
    this.stream = this.client.runtime.GetContainerEvents(newGetEventsRequest(), ctx);
  }

  /** Takes one event, and the others once `wake` resolves. */
  read(wake: Promise<void> = Promise.resolve()): void {
    const reading = async () => {
      for await (const event of this.stream) {
        this.events.push(event);
        await wake;
      }
    };
    reading().catch((thrown: unknown) => (this.ended = thrown));
  }

  types(id: string): string[] {
    return this.events
      .filter((event) => event.container_id === id)
      .map((event) => event.container_event_type.replace(/^CONTAINER_|_EVENT$/g, ''));
  }

  leave(): void {
    this.left.abort();
    this.client.close();
  }
}

describe('cri: events of a real node', () => {
  let node: RealNode;
  let pods: PodClient;
  const followers: Follower[] = [];
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  after(async () => {
    for (const follower of followers) follower.leave();
    await pods.removeAll();
    await node.dispose();
  });
  /** Subscribed for sure: it has seen an event of a pod that was made for it. */
  const follow = async (wake?: Promise<void>): Promise<Follower> => {
    const follower = new Follower(node);
    followers.push(follower);
    follower.read(wake);
    await waitFor('the first event', async () => {
      await pods.removePod(await pods.runPod());
      return follower.events.length > 0;
    });
    return follower;
  };
  const whole = ['CREATED', 'STARTED', 'STOPPED', 'DELETED'];

  it('tell the lives of a pod and its containers to several clients alike, with the statuses of the moment', async () => {
    const [one, other] = [await follow(), await follow()];
    const sandbox = await pods.runPod();
    const job = await pods.run(sandbox, { command: ['sh', '-c', 'exit 3'] });
    const main = await pods.run(sandbox, { command: ['sleep', '1000'] });
    await pods.exited(job);
    await node.cri.runtime.StopContainer(newStopContainerRequest({ container_id: main }), node.ctx);
    await node.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: main }), node.ctx);
    await node.cri.runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: sandbox }), node.ctx);
    await pods.removePod(sandbox);
    for (const follower of [one, other]) {
      await waitFor('the last event', () => follower.types(sandbox).includes('DELETED'));
      for (const id of [sandbox, job, main]) expect(follower.types(id)).to.deep.equal(whole);
    }
    const ofPod = ({ events }: Follower) =>
      events.filter((event) => event.pod_sandbox_status?.id === sandbox);
    expect(ofPod(one)).to.deep.equal(ofPod(other));
    const stopped = one.events.find(
      (event) => event.container_id === job && event.container_event_type === 'CONTAINER_STOPPED_EVENT',
    );
    expect(stopped?.containers_statuses.find(({ id }) => id === job)).to.include({
      state: 'CONTAINER_EXITED',
      exit_code: 3,
    });
    expect(stopped?.pod_sandbox_status).to.include({ id: sandbox, state: 'SANDBOX_READY' });
    const nowNs = clock.nowNs();
    const ageNs = nowNs - BigInt(stopped?.created_at ?? 0);
    expect(ageNs > 0n && ageNs < 120_000_000_000n).to.equal(true);
  });

  it('lose nothing to a client that does not read for a while', async () => {
    let wakeUp = (): void => undefined;
    const slow = await follow(new Promise<void>((resolve) => (wakeUp = resolve)));
    const quick = await follow();
    // Together far more than what a connection holds back.
    const annotations = { note: 'x'.repeat(100_000) };
    const ids: string[] = [];
    for (let round = 0; round < 10; round++) {
      const made = await Promise.all([pods.runPod({ annotations }), pods.runPod({ annotations })]);
      await Promise.all(made.map((id) => pods.removePod(id)));
      ids.push(...made);
    }
    await waitFor('the last events', () => ids.every((id) => quick.types(id).includes('DELETED')));
    expect(slow.events).to.have.lengthOf(1);
    wakeUp();
    await waitFor('the slow client to catch up', () => ids.every((id) => slow.types(id).includes('DELETED')));
    for (const id of ids) expect(slow.types(id)).to.deep.equal(whole);
  });

  it('tell an end that nobody asked for, and end when the daemon does', async () => {
    const follower = await follow();
    const sandbox = await pods.runPod();
    const main = await pods.run(sandbox, { command: ['sleep', '1000'] });
    await pods.exec(main, 'sh', '-c', 'kill -9 1 || kill 1');
    const job = await pods.run(sandbox, { command: ['true'] });
    await waitFor('the exit', () => follower.types(job).includes('STOPPED'));
    await node.stop();
    await waitFor('the end of the stream', () => follower.ended !== undefined);
    expect(asNodeletError(follower.ended)).to.include({ kind: 'unavailable' });
    await node.start();
  });
});
