import { expect } from 'chai';
import { frozenOnce } from '../../src/pods/frozen-once.js';

describe('pods: messages that are told again', () => {
  it('are made once for each record, can not change, and go with it', () => {
    let made = 0;
    const tell = frozenOnce((record: { id: string }) => ({ id: record.id, made: ++made }));
    const record = { id: 'a' };
    expect(tell(record)).to.equal(tell(record));
    expect(Object.isFrozen(tell(record))).to.equal(true);
    expect(tell({ id: 'a' })).to.deep.equal({ id: 'a', made: 2 });
    expect(made).to.equal(2);
  });
});
