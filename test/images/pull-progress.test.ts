import { expect } from 'chai';
import type { PullProgress } from '../../src/images/pull-progress.js';
import { RunningPulls } from '../../src/images/pull-progress.js';

const [a, b] = ['sha256:a', 'sha256:b'];
const layers = [
  { digest: a, sizeBytes: 10 },
  { digest: b, sizeBytes: 20 },
];
const states = (pull: PullProgress | undefined) =>
  pull?.layers.map(({ state, receivedBytes }) => [state, receivedBytes]);

describe('images: progress of pulls', () => {
  let pulls: RunningPulls;
  let told: PullProgress[];
  let unsubscribe: () => void;
  beforeEach(() => {
    pulls = new RunningPulls({ nowNs: () => 7n });
    told = [];
    unsubscribe = pulls.subscribe((pull) => void told.push(pull));
  });

  it('is told from the first request to the end, each time as it was', () => {
    const report = pulls.begin('r.io/app:1');
    report.resolved(layers);
    report.layer(a, 'exists');
    report.received(b, 5);
    report.retrying(b, 'broke off');
    report.received(b, 15);
    report.layer(b, 'done');
    expect(pulls.list()).to.have.lengthOf(1);
    expect(pulls.list()[0]).to.deep.include({
      reference: 'r.io/app:1',
      startedNs: 7n,
      phase: 'fetching',
      trouble: 'broke off',
    });
    report.ended('done');
    expect(pulls.list()).to.deep.equal([]);
    expect(told.map(({ phase }) => phase)).to.deep.equal([
      'resolving',
      ...Array<string>(6).fill('fetching'),
      'done',
    ]);
    expect(told.map((pull) => states(pull)?.[1])).to.deep.equal([
      undefined,
      ['waiting', 0],
      ['waiting', 0],
      ['downloading', 5],
      ['downloading', 5],
      ['unpacking', 20],
      ['done', 20],
      ['done', 20],
    ]);
    expect(told.at(-1)?.layers[1]?.retries).to.equal(1);
    unsubscribe();
    pulls.begin('r.io/app:2');
    expect(told).to.have.lengthOf(8);
  });

  it('of a layer is shown by every pull that waits for it', () => {
    const one = pulls.begin('r.io/one:1');
    const two = pulls.begin('r.io/two:1');
    one.resolved(layers);
    two.resolved([{ digest: b, sizeBytes: 20 }]);
    one.received(b, 8);
    expect(pulls.list().map((pull) => states(pull)?.at(-1))).to.deep.equal([
      ['downloading', 8],
      ['downloading', 8],
    ]);
    one.ended('failed');
    two.restarted(b);
    two.received(b, 3);
    expect(states(pulls.list()[0])).to.deep.equal([['downloading', 3]]);
  });
});
