import { gunzipSync } from 'node:zlib';
import type { PodLog } from '../../src/agent/logs/rotation.js';
import { LogRotation } from '../../src/agent/logs/rotation.js';
import { silentLog } from '../../src/base/call-context.js';
import { newContainerStatusRequest } from '../../src/ports/cri/messages.js';
import type { CriRuntime } from '../../src/ports/cri/runtime.js';
import { backgroundContext } from '../../src/base/call-context.js';
import type { Fault } from './host/session.js';
import { simHost } from './host/sim-host.js';
import { bootCalmly, idleWorld } from './node/checks.js';
import { PodDriver } from './node/pod-driver.js';
import type { PodScript } from './node/pod-script.js';
import { simConfig } from './node/sim-config.js';
import { SimWorld } from './node/world.js';

const script: PodScript = { name: 'counting', network: 'none', hostPort: 0, restarts: false };
const logs = { maxSizeBytes: 100, maxFiles: 100, checkPeriodMs: 100 };
/** Long enough for three rotations, and for what they leave to be packed. */
const lifeMs = 450;
const printMs = 7;

/** A pod whose container counts, through every end of the agent, until it is stopped. */
class Counting {
  printed = 0;
  private stopped = false;

  constructor(
    readonly world: SimWorld,
    readonly id: string,
    readonly path: string,
  ) {
    this.print();
  }

  static async begin(world: SimWorld): Promise<Counting> {
    const driver = new PodDriver(world, script);
    await world.run(() => driver.up());
    const id = driver.promised.running ?? '';
    const request = newContainerStatusRequest({ container_id: id });
    const { status } = await world.cri.ContainerStatus(request, backgroundContext());
    return new Counting(world, id, status?.log_path ?? '');
  }

  stop(): void {
    this.stopped = true;
  }

  /** The agent's rotation, as it runs beside the node that is up now. */
  rotate(): Promise<unknown> {
    return this.world.run(async () => {
      const abort = new AbortController();
      const host = simHost(this.world.session);
      const log: PodLog = {
        containerId: this.id,
        path: this.path,
        running: true,
        attempt: 0,
        labels: { uid: '', namespace: '', pod: script.name, container: 'main' },
      };
      const cri = { runtime: this.world.cri, images: {} } as unknown as CriRuntime;
      const rotation = new LogRotation(
        {
          ...host,
          cri,
          log: silentLog,
          metrics: { logRotation: () => undefined },
          config: { ...simConfig, machineMemoryBytes: 0, logs },
        },
        () => [log],
        abort.signal,
      );
      rotation.start();
      await this.world.pause(lifeMs);
      abort.abort();
      await rotation.stop();
    });
  }

  /** What is wrong with the files of the run. */
  faults(): string[] {
    const { files } = this.world.machine;
    const dir = this.path.slice(0, this.path.lastIndexOf('/'));
    const names = files.list(dir).filter((name) => name.startsWith('0.log.'));
    const packed = (name: string) => name.endsWith('.gz');
    const text = [...names.map((name) => `${dir}/${name}`), this.path].map((path) => {
      const node = files.find(path);
      const content = node?.kind === 'file' ? node.content : Buffer.alloc(0);
      return (packed(path) ? gunzipSync(content) : content).toString();
    });
    const wanted = Array.from({ length: this.printed }, (_, index) => `${index + 1}\n`).join('');
    return [
      ...(text.join('') === wanted ? [] : [`of ${this.printed} lines there is ${text.join('|')}`]),
      ...names.filter((name) => name.endsWith('.tmp')).map((name) => `left over: ${name}`),
      ...(names.length >= 3 ? [] : ['it was not rotated']),
      ...(names.filter((name) => !packed(name)).length === 1 ? [] : [`not packed: ${names.join(' ')}`]),
      ...(files.find(this.path) === undefined ? ['there is no log'] : []),
    ];
  }

  private print(): void {
    const { machine } = this.world;
    if (this.stopped) return;
    const count = Array.from({ length: 5 }, () => `${++this.printed}\n`).join('');
    const monitor = machine.processes.all().find(({ argv }) => argv.includes(`k8s-file:${this.path}`));
    if (monitor?.open !== undefined)
      monitor.open.content = Buffer.concat([monitor.open.content, Buffer.from(count)]);
    machine.clock.after(printMs, () => this.print());
  }
}

describe('sim: the rotation of a log', () => {
  it('loses, doubles and leaves over nothing, whatever effect the agent is killed at', async () => {
    const { world } = await idleWorld(1);
    const calm = await Counting.begin(world);
    const before = world.session.effects.length;
    await calm.rotate();
    calm.stop();
    if (calm.faults().length > 0) throw new Error(calm.faults().join('\n'));
    const effects = world.session.effects.slice(before);
    const faults = effects.flatMap(({ index, cuts }): [number, Fault][] => [
      [index, { kind: 'crash', when: 'before' }],
      ...Array.from({ length: cuts }, (_, cut): [number, Fault] => [
        index,
        { kind: 'crash', when: 'during', cut },
      ]),
      [index, { kind: 'crash', when: 'after' }],
    ]);
    const harms: string[] = [];
    for (const [index, fault] of faults) {
      const struck = new SimWorld(1);
      const isBefore = fault.kind === 'crash' && fault.when === 'before';
      await struck.boot(
        (effect) => (effect.index === index ? fault : undefined),
        isBefore ? 'dropped' : 'done',
      );
      const counting = await Counting.begin(struck);
      await counting.rotate();
      const last = struck.lastEffects(3);
      if (!struck.session.isDead) harms.push(`effect ${index}: the fault did not strike`);
      await struck.pass(20);
      await bootCalmly(struck);
      await counting.rotate();
      counting.stop();
      harms.push(...counting.faults().map((harm) => `${JSON.stringify(fault)} at\n${last}\n${harm}`));
    }
    if (harms.length > 0) throw new Error(`${harms.length} harms by ${faults.length} faults: ${harms[0]}`);
  }).timeout(120_000);
});
