import { expect } from 'chai';
import { NodeletError, asNodeletError } from '../../src/base/errors.js';
import { EventFeed, readerMaxEvents } from '../../src/pods/events/event-feed.js';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('pods: a feed of events', () => {
  const never = new AbortController().signal;
  const taking = async (reader: AsyncGenerator<number>, count: number): Promise<number[]> => {
    const taken: number[] = [];
    while (taken.length < count) taken.push((await reader.next()).value as number);
    return taken;
  };
  /** A reader that is subscribed, with the event that it waits for. */
  const subscribed = (feed: EventFeed<number>, signal = never) => {
    const reader = feed.follow(signal);
    return { reader, first: reader.next() };
  };

  it('gives every reader all events from its own beginning, in order, at its own pace', async () => {
    const feed = new EventFeed<number>();
    const early = subscribed(feed);
    for (const number of numbers(3000)) feed.publish(number);
    const late = subscribed(feed);
    for (const number of numbers(5)) feed.publish(number);
    expect([(await late.first).value, ...(await taking(late.reader, 4))]).to.deep.equal(numbers(5));
    const all = [(await early.first).value as number, ...(await taking(early.reader, 3004))];
    expect(all).to.deep.equal([...numbers(3000), ...numbers(5)]);
  });

  it('wakes a reader that waits', async () => {
    const feed = new EventFeed<number>();
    const { first } = subscribed(feed);
    await new Promise((resolve) => setImmediate(resolve));
    feed.publish(7);
    expect((await first).value).to.equal(7);
  });

  it('loses nothing to a reader up to the bound, and tells one beyond it instead of leaving a gap', async () => {
    const feed = new EventFeed<number>();
    const [slow, hung] = [subscribed(feed), subscribed(feed)];
    for (const number of numbers(readerMaxEvents)) feed.publish(number);
    expect((await slow.first).value).to.equal(0);
    expect(await taking(slow.reader, readerMaxEvents - 1)).to.deep.equal(numbers(readerMaxEvents).slice(1));
    expect((await hung.first).value).to.equal(0);
    for (const number of [-1, -2]) feed.publish(number);
    expect(await taking(slow.reader, 2)).to.deep.equal([-1, -2]);
    const failed = await hung.reader.next().catch((thrown: unknown) => thrown);
    expect(asNodeletError(failed)).to.include({ kind: 'exhausted' });
  });

  it('forgets a reader that leaves or whose caller is gone', async () => {
    const feed = new EventFeed<number>();
    const left = new AbortController();
    const [leaver, gone] = [subscribed(feed), subscribed(feed, left.signal)];
    feed.publish(1);
    await Promise.all([leaver.first, gone.first]);
    const waiting = gone.reader.next().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    left.abort(new NodeletError('canceled', 'gone'));
    expect(await waiting).to.include({ kind: 'canceled' });
    expect(feed.hasReaders).to.equal(true);
    await leaver.reader.return(undefined);
    expect(feed.hasReaders).to.equal(false);
  });
});
