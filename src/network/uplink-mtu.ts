import type { Files } from '../ports/files.js';

/** What a link has that nobody has set otherwise. */
const ethernetMtu = 1500;
const routeFlags = { up: 0x1, reject: 0x200 };

/**
 * MTU in bytes of the link that the IPv4 default route leaves by, so that a pod's packets fit through it whole:
 * on an overlay or a tunnel it is below Ethernet's. 1500 where there is no default route.
 */
export async function uplinkMtu(files: Pick<Files, 'read'>): Promise<number> {
  const routes = (await files.read('/proc/net/route'))?.toString('latin1') ?? '';
  const uplink = defaultRouteLink(routes);
  if (uplink === undefined) return ethernetMtu;
  const mtu = Number((await files.read(`/sys/class/net/${uplink}/mtu`))?.toString('latin1') ?? '');
  return mtu > 0 ? mtu : ethernetMtu;
}

/** The default route of the lowest metric in /proc/net/route, proc(5): numbers in hexadecimal but for the metric. */
export function defaultRouteLink(routes: string): string | undefined {
  const found = routes
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , flags = '', , , , mask]) => {
      const bits = parseInt(flags, 16);
      return (
        destination === '00000000' &&
        mask === '00000000' &&
        (bits & routeFlags.up) !== 0 &&
        (bits & routeFlags.reject) === 0
      );
    })
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  return found[0]?.[0];
}
