import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../src/base/call-context.js';
import type { CallContext } from '../../src/base/call-context.js';
import { NodeletError } from '../../src/base/errors.js';
import {
  newCreateContainerRequest,
  newExecSyncRequest,
  newListContainersRequest,
  newListPodSandboxRequest,
  newRemoveContainerRequest,
  newRemovePodSandboxRequest,
  newRunPodSandboxRequest,
  newStartContainerRequest,
  newStopContainerRequest,
  newStopPodSandboxRequest,
} from '../../src/ports/cri/messages.js';
import type { OwnRuntimeVerbs } from '../../src/ports/cri/runtime.js';
import type { EffectEntry } from './host/session.js';
import { expectAsBefore, expectSound, idleWorld, live, restMs } from './node/checks.js';
import { nothingPromised } from './node/pod-driver.js';
import type { PodScript } from './node/pod-script.js';
import { containerConfig, sandboxConfig } from './node/pod-script.js';
import { SimWorld } from './node/world.js';

const script: PodScript = { name: 'web', network: 'bridge', hostPort: 8080, restarts: false };

/** What one call needs of those before it. */
interface Ids {
  sandbox: string;
  container: string;
}
type Call = (cri: OwnRuntimeVerbs, ids: Ids, ctx: CallContext) => Promise<unknown>;

/** A pod's life as the calls that change something, one after the other. */
const calls: [name: string, call: Call][] = [
  [
    'RunPodSandbox',
    async (cri, ids, ctx) => {
      const request = newRunPodSandboxRequest({ config: sandboxConfig(script) });
      ids.sandbox = (await cri.RunPodSandbox(request, ctx)).pod_sandbox_id;
    },
  ],
  [
    'CreateContainer',
    async (cri, ids, ctx) => {
      const config = containerConfig('main', script);
      await cri.CreateContainer(newCreateContainerRequest({ pod_sandbox_id: ids.sandbox, config }), ctx);
    },
  ],
  [
    'StartContainer',
    (cri, ids, ctx) => cri.StartContainer(newStartContainerRequest({ container_id: ids.container }), ctx),
  ],
  [
    'ExecSync',
    (cri, ids, ctx) =>
      cri.ExecSync(
        newExecSyncRequest({ container_id: ids.container, cmd: ['/bin/sh', '-c', 'echo hi; exit 3'] }),
        ctx,
      ),
  ],
  [
    'StopContainer',
    (cri, ids, ctx) =>
      cri.StopContainer(newStopContainerRequest({ container_id: ids.container, timeout: '5' }), ctx),
  ],
  [
    'RemoveContainer',
    (cri, ids, ctx) => cri.RemoveContainer(newRemoveContainerRequest({ container_id: ids.container }), ctx),
  ],
  [
    'StopPodSandbox',
    (cri, ids, ctx) => cri.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: ids.sandbox }), ctx),
  ],
  [
    'RemovePodSandbox',
    (cri, ids, ctx) => cri.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: ids.sandbox }), ctx),
  ],
];

/** Makes the calls up to `last`, that one for `ctx`, and tells how it ended. */
async function callUpTo(world: SimWorld, last: number, ctx: CallContext) {
  const ids: Ids = { sandbox: '', container: '' };
  for (const [index, [, call]] of calls.entries()) {
    if (index > last) break;
    const outcome = await world.run(() => call(world.cri, ids, index === last ? ctx : backgroundContext()));
    if (index === last) return outcome;
    if (outcome.end !== 'done') throw new Error('a call failed that nobody gave up', { cause: outcome });
    const { containers } = await world.cri.ListContainers(newListContainersRequest(), backgroundContext());
    ids.container = containers[0]?.id ?? '';
  }
  throw new Error('there is no such call');
}

describe('sim: a call whose caller gives up', () => {
  for (const [index, [name]] of calls.entries()) {
    it(`${name}, at any effect: it is done or undone as a whole, and the pod can go on`, async () => {
      const calm = await idleWorld(1);
      await callUpTo(calm.world, index - 1, backgroundContext()).catch(() => undefined);
      const first = calm.world.session.effects.length;
      const whole = new SimWorld(1);
      await whole.boot();
      await callUpTo(whole, index, backgroundContext());
      const effects = whole.session.effects.slice(first);
      expect(effects).not.to.deep.equal([]);
      for (const { index: at } of effects) {
        await giveUpAt(index, at, calm.before).catch((thrown: Error) => {
          throw new Error(`given up at effect ${at}: ${thrown.message}`, { cause: thrown });
        });
      }
    }).timeout(60_000);
  }
});

async function giveUpAt(call: number, at: number, before: string[]): Promise<void> {
  const world = new SimWorld(1);
  const left = new AbortController();
  const reason = new NodeletError('deadline', 'too late');
  await world.boot((effect: EffectEntry) => {
    if (effect.index === at) left.abort(reason);
    return undefined;
  });
  const outcome = await callUpTo(world, call, backgroundContext(silentLog, left.signal));
  expect(left.signal.aborted, 'it was given up').to.equal(true);
  if (outcome.end === 'failed') expect(outcome.error).to.equal(reason);
  await world.pass(restMs);
  await expectSound(world, before, { promised: [], afterFailures: false });
  const { items } = await world.cri.ListPodSandbox(newListPodSandboxRequest(), backgroundContext());
  const { containers } = await world.cri.ListContainers(newListContainersRequest(), backgroundContext());
  const name = calls[call]?.[0];
  if (name === 'RunPodSandbox') expect(items).to.have.lengthOf(outcome.end === 'done' ? 1 : 0);
  if (name === 'CreateContainer') expect(containers).to.have.lengthOf(outcome.end === 'done' ? 1 : 0);
  if (name === 'StartContainer') {
    const state = outcome.end === 'done' ? 'CONTAINER_RUNNING' : 'CONTAINER_EXITED';
    expect(containers.map((each) => each.state)).to.deep.equal([state]);
  }
  if (items.length === 0) await expectAsBefore(world, before, 'nothing was made');
  if (!(await live(world, new Map([[script, nothingPromised()]])))) throw new Error('the node crashed');
  await expectAsBefore(world, before, 'after the pod was removed');
}
