import { expect } from 'chai';
import { hexAddress, isTaken, parseSctpEndpoints, parseSockets } from '../../src/host/bound-ports.js';

const taken = (bound: ReturnType<typeof parseSockets>, port: number, ip = '') =>
  isTaken(bound, { port, address: hexAddress(ip) });

/** As Linux prints them, the columns behind the state cut off. */
const tcp = `  sl  local_address rem_address   st
   0: 0100007F:1F90 00000000:0000 0A
   1: 00000000:0016 00000000:0000 0A
   2: 0100007F:A2B4 0100007F:1F90 01
`;
const tcp6 = `  sl  local_address                         remote_address                        st
   0: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A
   1: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A
`;
const sctp = ` ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
ffff8881 ffff8882 2   10  25   3868        0 49160 0.0.0.0
ffff8883 ffff8884 2   10  29   2905        0 49161 127.0.0.1 10.1.2.3
`;

describe('host: bound ports', () => {
  it('takes what listens, on its address or on every one', () => {
    const bound = parseSockets(tcp, 'TCP');
    expect([taken(bound, 8080), taken(bound, 8080, '127.0.0.1')]).to.deep.equal([true, true]);
    expect(taken(bound, 8080, '10.1.2.3'), 'another address').to.equal(false);
    expect(taken(bound, 22, '10.1.2.3'), 'bound to every address').to.equal(true);
    expect(taken(bound, 0xa2b4), 'a connection, no listener').to.equal(false);
  });

  it('takes UDP ports in any state', () => {
    expect(taken(parseSockets(tcp, 'UDP'), 0xa2b4)).to.equal(true);
  });

  it('knows an IPv4 address in IPv6 clothes', () => {
    const bound = parseSockets(tcp6, 'TCP');
    expect([taken(bound, 80, '127.0.0.1'), taken(bound, 80, '10.1.2.3')]).to.deep.equal([true, false]);
    expect(taken(bound, 443, '10.1.2.3')).to.equal(true);
  });

  it('takes SCTP endpoints, each of several addresses', () => {
    const bound = parseSctpEndpoints(sctp);
    expect(taken(bound, 3868, '10.9.9.9')).to.equal(true);
    expect([taken(bound, 2905, '10.1.2.3'), taken(bound, 2905, '127.0.0.1')]).to.deep.equal([true, true]);
    expect([taken(bound, 2905, '10.9.9.9'), taken(bound, 80)]).to.deep.equal([false, false]);
    expect(parseSctpEndpoints('')).to.deep.equal([]);
  });
});
