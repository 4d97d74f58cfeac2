import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { SharedFlights } from '../../src/base/shared-flight.js';

/** Work that ends when it is told to, or soon after it is aborted. */
function controlled() {
  const started: AbortSignal[] = [];
  let finish: (value: string) => void = () => undefined;
  let cleaned = 0;
  const work = (signal: AbortSignal): Promise<string> => {
    started.push(signal);
    return new Promise((resolve, reject) => {
      finish = resolve;
      signal.addEventListener('abort', () => {
        void Promise.resolve().then(() => {
          cleaned += 1;
          reject(new Error('torn down'));
        });
      });
    });
  };
  return { work, started, finish: (value: string) => finish(value), cleaned: () => cleaned };
}
const deadline = new NodeletError('deadline', 'too late');
const outcome = (work: Promise<string>): Promise<unknown> => work.catch((thrown: unknown) => thrown);

describe('base: shared flights', () => {
  it('gives one result to all who join, and starts anew afterwards', async () => {
    const flights = new SharedFlights<string, string>();
    const { work, started, finish } = controlled();
    const joined = [1, 2, 3].map(() => flights.join('k', new AbortController().signal, work));
    expect(started).to.have.lengthOf(1);
    finish('done');
    expect(await Promise.all(joined)).to.deep.equal(['done', 'done', 'done']);
    const again = flights.join('k', new AbortController().signal, work);
    expect(started).to.have.lengthOf(2);
    finish('again');
    expect(await again).to.equal('again');
  });

  it('lets one leave with its own reason while the others go on', async () => {
    const flights = new SharedFlights<string, string>();
    const { work, started, finish } = controlled();
    const leaver = new AbortController();
    const left = outcome(flights.join('k', leaver.signal, work));
    const stays = flights.join('k', new AbortController().signal, work);
    leaver.abort(deadline);
    expect(await left).to.equal(deadline);
    expect(started[0]?.aborted).to.equal(false);
    finish('done');
    expect(await stays).to.equal('done');
  });

  it('aborts the work when the last has left, and answers that one after the clean-up', async () => {
    const flights = new SharedFlights<string, string>();
    const { work, started, cleaned } = controlled();
    const [first, last] = [new AbortController(), new AbortController()];
    const both = [first, last].map(({ signal }) => outcome(flights.join('k', signal, work)));
    first.abort();
    last.abort(deadline);
    expect(started[0]?.aborted).to.equal(true);
    expect(await both[0])
      .to.be.instanceOf(NodeletError)
      .and.include({ kind: 'canceled' });
    expect(await both[1]).to.equal(deadline);
    expect(cleaned()).to.equal(1);
  });

  it('starts anew for one who comes while an abandoned flight still cleans up', async () => {
    const flights = new SharedFlights<string, string>();
    const { work, started, finish, cleaned } = controlled();
    const first = new AbortController();
    const gone = outcome(flights.join('k', first.signal, work));
    first.abort();
    const late = flights.join('k', new AbortController().signal, (signal) => {
      expect(cleaned(), 'the first has cleaned up').to.equal(1);
      return work(signal);
    });
    await gone;
    while (started.length < 2) await Promise.resolve();
    finish('second');
    expect(await late).to.equal('second');
  });

  it('aborts all work when it is told to, and waits for its clean-up', async () => {
    const flights = new SharedFlights<string, string>();
    const { work, cleaned } = controlled();
    const caller = outcome(flights.join('k', new AbortController().signal, work));
    await flights.abort(deadline);
    expect(cleaned()).to.equal(1);
    expect(await caller).to.be.instanceOf(Error);
  });

  it('starts nothing for a caller that has gone already', async () => {
    const { work, started } = controlled();
    const signal = AbortSignal.abort(deadline);
    expect(await outcome(new SharedFlights<string, string>().join('k', signal, work))).to.equal(deadline);
    expect(started).to.deep.equal([]);
  });
});
