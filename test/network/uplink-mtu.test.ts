import { expect } from 'chai';
import { defaultRouteLink, uplinkMtu } from '../../src/network/uplink-mtu.js';

const heading = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const route = (link: string, set: { to?: string; flags?: string; metric?: number; mask?: string } = {}) =>
  `${link}\t${set.to ?? '00000000'}\t0100000A\t${set.flags ?? '0003'}\t0\t0\t${set.metric ?? 0}\t${set.mask ?? '00000000'}\t0\t0\t0\n`;

describe('network: the MTU of the uplink', () => {
  it('is that of the link of the best default route', async () => {
    const routes = `${heading}${route('wlan0', { metric: 600 })}${route('wg0', { metric: 50 })}`;
    const disk: Record<string, string> = { '/proc/net/route': routes, '/sys/class/net/wg0/mtu': '1420\n' };
    const read = async (path: string) => (disk[path] === undefined ? undefined : Buffer.from(disk[path]));
    expect(await uplinkMtu({ read })).to.equal(1420);
  });

  it('is no matter of other networks, nor of routes that are down or refuse', () => {
    const local = route('eth0', { to: '0000000A', mask: '00FFFFFF' });
    // A VPN that takes everything in two halves leaves the default route alone.
    const half = route('tun0', { mask: '00000080' });
    const refusing = route('lo', { flags: '0201' });
    const down = route('eth1', { flags: '0002' });
    expect(defaultRouteLink(`${heading}${local}${half}${refusing}${down}`)).to.equal(undefined);
  });

  it("is Ethernet's where there is no uplink", async () => {
    expect(await uplinkMtu({ read: async () => undefined })).to.equal(1500);
  });
});
