import { expect } from 'chai';
import { linkTrafficIn } from '../../src/host/link-traffic.js';

const recorded = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1048576    1200    0    0    0     0          0         0  1048576    1200    0    0    0     0       0          0
nl0123456789ab: 3350      25    1    2    0     0          0         0     4420      31    3    4    0     0       0          0
`;

describe('host: traffic of links', () => {
  it('is read from /proc/net/dev, heads left out', () => {
    const links = linkTrafficIn(recorded);
    expect([...links.keys()]).to.deep.equal(['lo', 'nl0123456789ab']);
    expect(links.get('nl0123456789ab')).to.deep.equal({
      received: { bytes: 3350, packets: 25, errors: 1, dropped: 2 },
      sent: { bytes: 4420, packets: 31, errors: 3, dropped: 4 },
    });
  });
});
