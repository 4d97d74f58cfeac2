import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../src/base/call-context.js';
import type { CallContext } from '../../src/base/call-context.js';
import { NodeletError, asNodeletError } from '../../src/base/errors.js';
import { NamedMakings } from '../../src/pods/named-makings.js';

/** A making that goes on when it is told to. */
class Workshop {
  readonly made: CallContext[] = [];
  finish: (id: string) => void = () => undefined;

  readonly make = (ctx: CallContext): Promise<string> => {
    this.made.push(ctx);
    return new Promise((resolve, reject) => {
      this.finish = resolve;
      ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error));
    });
  };
}

/** A caller that notes the phases that it is told. */
function caller(signal = new AbortController().signal) {
  const phases: string[] = [];
  const ctx: CallContext = { signal, log: silentLog, phase: (name) => void phases.push(name) };
  return { ctx, phases };
}

describe('pods: makings under a name', () => {
  const asked = (request: unknown) => ({ name: 'pod', request, what: 'sandbox' });
  let makings: NamedMakings<string>;
  let workshop: Workshop;
  beforeEach(() => {
    makings = new NamedMakings();
    workshop = new Workshop();
  });

  it('are joined by a call for the same, in whatever order its labels come, and tell it their phases', async () => {
    const [first, second] = [caller(), caller()];
    const one = makings.join(asked({ labels: { a: '1', b: '2' } }), first.ctx, workshop.make);
    workshop.made[0]?.phase('image');
    const two = makings.join(asked({ labels: { b: '2', a: '1' } }), second.ctx, workshop.make);
    workshop.made[0]?.phase('network');
    workshop.finish('id');
    expect(await Promise.all([one, two])).to.deep.equal(['id', 'id']);
    expect(workshop.made).to.have.lengthOf(1);
    expect(first.phases).to.deep.equal(['image', 'network']);
    expect(second.phases).to.deep.equal(['image', 'network']);
  });

  it('refuse a call for something else under their name, and tell how far they are', async () => {
    const one = makings.join(asked({ image: 'a' }), backgroundContext(), workshop.make);
    workshop.made[0]?.phase('network');
    const refusal = await makings.join(asked({ image: 'b' }), backgroundContext(), workshop.make).then(
      () => expect.fail('it got the id of another'),
      (thrown: unknown) => asNodeletError(thrown),
    );
    expect(refusal).to.include({ kind: 'exists', field: 'config.metadata' });
    expect(refusal.message).to.include('"network"');
    workshop.finish('id');
    expect(await one).to.equal('id');
    const next = makings.join(asked({ image: 'b' }), backgroundContext(), workshop.make);
    workshop.finish('other');
    expect(await next).to.equal('other');
  });

  it('outlive a caller that gives up, and give the name free when the last one has', async () => {
    const left = [new AbortController(), new AbortController()];
    const joined = left.map(({ signal }) =>
      makings.join(asked('a'), caller(signal).ctx, workshop.make).catch((thrown: unknown) => thrown),
    );
    const reason = new NodeletError('deadline', 'too late');
    left[0]?.abort(reason);
    expect(await joined[0]).to.equal(reason);
    expect(workshop.made[0]?.signal.aborted).to.equal(false);
    left[1]?.abort(reason);
    expect(await joined[1]).to.equal(reason);
    const next = makings.join(asked('b'), backgroundContext(), workshop.make);
    workshop.finish('id');
    expect(await next).to.equal('id');
  });
});
