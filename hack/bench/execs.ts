import { newExecRequest } from '../../src/ports/cri/messages.js';
import type { StreamClientProcess } from './client-process.js';
import type { BenchOptions } from './options.js';
import { contextOf, execTrue, podUp, removePods } from './pod-cycle.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import { Samples, execs } from './samples.js';
import type { Exec, Summary } from './samples.js';
import { inTurns } from './turns.js';

export interface ExecsReport {
  execs: Record<Exec, Summary>;
}

/** `true` in a pod that does nothing else, one after the other. */
export async function measureExecs(
  runtimes: readonly RuntimeUnderTest[],
  client: StreamClientProcess,
  options: BenchOptions,
): Promise<ExecsReport[]> {
  const subjects = [];
  for (const { shape } of runtimes) {
    const { containerId } = await podUp(shape, new Samples());
    subjects.push({ shape, containerId, samples: new Samples<Exec>() });
  }
  for (let round = 0; round < options.rounds; round++) {
    console.log(`bench: execs, round ${round + 1} of ${options.rounds}`);
    await inTurns(round, subjects, async ({ shape, containerId, samples }) => {
      for (let index = 0; index < options.execs; index++) {
        await samples.time('ExecSync', () => execTrue(shape, containerId));
        const request = newExecRequest({ container_id: containerId, cmd: ['true'], stdout: true });
        const startedMs = performance.now();
        const { url } = await shape.client.runtime.Exec(request, contextOf(shape));
        const calledMs = performance.now() - startedMs;
        const [streamedMs = Number.NaN] = await client.run({ kind: 'outcome', url });
        samples.add('Exec', calledMs + streamedMs);
      }
    });
  }
  for (const { shape } of subjects) await removePods(shape);
  return subjects.map(({ samples }) => ({ execs: samples.summary(execs) }));
}
