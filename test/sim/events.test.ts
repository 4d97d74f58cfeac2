import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../src/base/call-context.js';
import type { ContainerEventResponse } from '../../src/ports/cri/messages.js';
import {
  newContainerStatusRequest,
  newGetEventsRequest,
  newPodSandboxStatusRequest,
  newRemoveContainerRequest,
  newRunPodSandboxRequest,
} from '../../src/ports/cri/messages.js';
import type { Fault } from './host/session.js';
import { idleWorld } from './node/checks.js';
import { PodDriver } from './node/pod-driver.js';
import type { PodScript } from './node/pod-script.js';
import { sandboxConfig } from './node/pod-script.js';
import { SimWorld } from './node/world.js';

const script: PodScript = { name: 'web', network: 'bridge', hostPort: 8080, restarts: false };
/** Longer than the patrol takes to come round. */
const patrolRestMs = 12_000;

/** Follows a node's events; `lines` tells them as `WHO WHAT`. */
class Follower {
  readonly events: ContainerEventResponse[] = [];
  private readonly left = new AbortController();

  constructor(private readonly world: SimWorld) {
    const ctx = backgroundContext(silentLog, this.left.signal);
    const follow = async () => {
      for await (const event of world.cri.GetContainerEvents(newGetEventsRequest(), ctx)) {
        this.events.push(event);
      }
    };
    follow().catch(() => undefined);
  }

  async lines(): Promise<string[]> {
    await this.world.pass(0);
    return this.events.map((event) => `${this.nameOf(event)} ${event.container_event_type}`);
  }

  leave(): void {
    this.left.abort();
  }

  private nameOf({ container_id: id }: ContainerEventResponse): string {
    const named = this.events.flatMap((event) => event.containers_statuses).find((each) => each.id === id);
    return named?.metadata?.name ?? 'sandbox';
  }
}

describe('sim: the events of containers', () => {
  let world: SimWorld;
  let follower: Follower;
  let driver: PodDriver;
  beforeEach(async () => {
    ({ world } = await idleWorld(1));
    follower = new Follower(world);
    driver = new PodDriver(world, script);
  });
  afterEach(() => follower.leave());
  const run = async (work: () => Promise<unknown>): Promise<void> => {
    expect((await world.run(work)).end).to.equal('done');
  };
  const sandboxId = () => driver.promised.readySandbox ?? expect.fail('no sandbox');

  it("tell a pod's life from its sandbox's creation to its deletion, each once and in order", async () => {
    await run(() => driver.up());
    await run(() => driver.down());
    expect(await follower.lines()).to.deep.equal([
      'sandbox CONTAINER_CREATED_EVENT',
      'sandbox CONTAINER_STARTED_EVENT',
      'main CONTAINER_CREATED_EVENT',
      'main CONTAINER_STARTED_EVENT',
      'job CONTAINER_CREATED_EVENT',
      'job CONTAINER_STARTED_EVENT',
      'job CONTAINER_STOPPED_EVENT',
      'main CONTAINER_STOPPED_EVENT',
      'sandbox CONTAINER_STOPPED_EVENT',
      'main CONTAINER_DELETED_EVENT',
      'job CONTAINER_DELETED_EVENT',
      'sandbox CONTAINER_DELETED_EVENT',
    ]);
    const times = follower.events.map((event) => BigInt(event.created_at));
    expect(times.every((time, index) => index === 0 || time > (times[index - 1] ?? 0n))).to.equal(true);
    for (const { pod_sandbox_status: pod } of follower.events) expect(pod?.metadata?.name).to.equal('web');
    const states = follower.events.map(({ pod_sandbox_status: pod }) => pod?.state);
    expect([states[1], states.at(-1)]).to.deep.equal(['SANDBOX_READY', 'SANDBOX_NOTREADY']);
    expect(follower.events.at(-1)?.containers_statuses).to.deep.equal([]);
  });

  it('bear the statuses that the status calls tell', async () => {
    await run(() => driver.up());
    await world.pass(0);
    const last = follower.events.at(-1) ?? expect.fail('no event');
    const ctx = backgroundContext();
    await run(async () => {
      const pod = await world.cri.PodSandboxStatus(
        newPodSandboxStatusRequest({ pod_sandbox_id: sandboxId() }),
        ctx,
      );
      expect(last.pod_sandbox_status).to.deep.equal(pod.status);
      expect(last.containers_statuses).to.deep.equal(pod.containers_statuses);
      for (const told of last.containers_statuses) {
        const { status } = await world.cri.ContainerStatus(
          newContainerStatusRequest({ container_id: told.id }),
          ctx,
        );
        expect(told).to.deep.equal(status);
      }
    });
    expect(last.containers_statuses.map(({ state }) => state)).to.have.members([
      'CONTAINER_RUNNING',
      'CONTAINER_EXITED',
    ]);
  });

  it('tell an end that nobody asked for, and how a removed container ended', async () => {
    await run(() => driver.up());
    const before = (await follower.lines()).length;
    const main = driver.promised.running ?? '';
    await run(() =>
      world.cri.RemoveContainer(newRemoveContainerRequest({ container_id: main }), backgroundContext()),
    );
    const infra = world.machine.truth.get(sandboxId())?.process ?? expect.fail('no infra container');
    world.machine.murder(infra);
    await world.pass(patrolRestMs);
    expect((await follower.lines()).slice(before)).to.deep.equal([
      'main CONTAINER_STOPPED_EVENT',
      'main CONTAINER_DELETED_EVENT',
      'sandbox CONTAINER_STOPPED_EVENT',
    ]);
    const told = follower.events[before]?.containers_statuses.find(({ id }) => id === main);
    expect(told).to.include({ state: 'CONTAINER_EXITED', exit_code: 137 });
  });

  it('say nothing of a pod that could not be made, nor anything twice after a restart', async () => {
    await run(() => driver.up());
    follower.leave();
    await world.boot();
    follower = new Follower(world);
    const again = new PodDriver(world, script, driver.promised);
    await run(() => again.down());
    expect(await follower.lines()).to.deep.equal([
      'main CONTAINER_STOPPED_EVENT',
      'sandbox CONTAINER_STOPPED_EVENT',
      'main CONTAINER_DELETED_EVENT',
      'job CONTAINER_DELETED_EVENT',
      'sandbox CONTAINER_DELETED_EVENT',
    ]);
    follower.leave();

    const failing = new SimWorld(2);
    const fault: Fault = { kind: 'fail', when: 'before' };
    await failing.boot((effect) => (effect.name.includes('createVeth') ? fault : undefined));
    follower = new Follower(failing);
    const request = newRunPodSandboxRequest({ config: sandboxConfig(script) });
    const outcome = await failing.run(() => failing.cri.RunPodSandbox(request, backgroundContext()));
    expect(outcome.end).to.equal('failed');
    expect(await follower.lines()).to.deep.equal([]);
  });
});
