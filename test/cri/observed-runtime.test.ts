import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../src/base/call-context.js';
import type { Log } from '../../src/base/call-context.js';
import { NodeletError } from '../../src/base/errors.js';
import { observedRuntime } from '../../src/cri/observed-runtime.js';
import { newRunPodSandboxRequest, newRunPodSandboxResponse } from '../../src/ports/cri/messages.js';
import type { CriOperation } from '../../src/telemetry/metrics.js';
import { runtimeWith } from './runtime-double.js';

describe('cri: an observed runtime', () => {
  const operations: CriOperation[] = [];
  const lines: { fields: object; message: string }[] = [];
  const keep = (fields: object, message: string) => void lines.push({ fields, message });
  const log: Log = { ...silentLog, info: keep, warn: keep, child: () => log };
  let nowMs = 0;
  const observe = (verbs: Parameters<typeof runtimeWith>[0]) =>
    observedRuntime(runtimeWith(verbs), {
      log,
      metrics: { criOperation: (operation) => void operations.push(operation) },
      clock: { monotonicMs: () => nowMs },
    }).runtime;

  beforeEach(() => {
    operations.length = lines.length = nowMs = 0;
  });

  it('counts a call that never saw a socket, and logs the time of each phase', async () => {
    const runtime = observe({
      RunPodSandbox: async (_request, ctx) => {
        ctx.phase('network');
        nowMs += 5;
        ctx.phase('infra');
        nowMs += 20;
        return newRunPodSandboxResponse({ pod_sandbox_id: 'abc' });
      },
    });
    const answer = await runtime.RunPodSandbox(newRunPodSandboxRequest(), backgroundContext());
    expect(answer.pod_sandbox_id).to.equal('abc');
    expect(operations).to.deep.equal([{ operation: 'RunPodSandbox', code: 'OK', durationMs: 25 }]);
    expect(lines[0]?.fields).to.deep.include({ phasesMs: { network: 5, infra: 20 }, code: 'OK' });
  });

  it('reports why the caller left and at what, not what broke because of it', async () => {
    const left = new AbortController();
    const runtime = observe({
      RunPodSandbox: async (_request, ctx) => {
        ctx.phase('image');
        left.abort(new NodeletError('deadline', 'too late'));
        throw new Error('killed by SIGKILL');
      },
    });
    const call = runtime.RunPodSandbox(newRunPodSandboxRequest(), backgroundContext(log, left.signal));
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown as NodeletError,
    );
    expect(error).to.include({ kind: 'deadline', message: 'too late, in the phase "image"' });
    expect(operations[0]?.code).to.equal('DEADLINE_EXCEEDED');
  });
});
