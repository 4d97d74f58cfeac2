/** A port that something on this machine has bound, with its address as hexadecimal digits of 32-bit words (proc(5)). */
export interface BoundPort {
  port: number;
  /** Empty for every address. */
  address: string;
}

const listening = '0A';

/** /proc/net/tcp, tcp6, udp and udp6: of TCP only what listens. */
export function parseSockets(text: string, protocol: 'TCP' | 'UDP'): BoundPort[] {
  return rows(text).flatMap(([, local = '', , state]) => {
    const [address = '', port = ''] = local.split(':');
    if (protocol === 'TCP' && state !== listening) return [];
    return [{ port: parseInt(port, 16), address: /^0+$/.test(address) ? '' : withoutMapping(address) }];
  });
}

/** An IPv4 address mapped into IPv6 (::ffff:a.b.c.d) is that IPv4 address. */
const withoutMapping = (address: string): string => address.replace(/^0{16}FFFF0000/, '');

/** /proc/net/sctp/eps: decimal port in the sixth column, then all local addresses as text. */
export function parseSctpEndpoints(text: string): BoundPort[] {
  return rows(text).flatMap(([, , , , , port, , , ...addresses]) =>
    addresses.map((address) => ({
      port: Number(port),
      address: address === '0.0.0.0' || /^[0:]+$/.test(address) ? '' : hexAddress(address),
    })),
  );
}

/** Whether binding the address would clash; `address` as in BoundPort. */
export function isTaken(bound: readonly BoundPort[], wanted: BoundPort): boolean {
  return bound.some(
    ({ port, address }) =>
      port === wanted.port && (address === '' || wanted.address === '' || address === wanted.address),
  );
}

/** An IPv4 address in the kernel's notation; empty, for every address, where it is unspecified or IPv6. */
export function hexAddress(ip: string): string {
  if (!/^\d+(\.\d+){3}$/.test(ip) || ip === '0.0.0.0') return '';
  const bytes = ip.split('.').map((octet) => Number(octet).toString(16).padStart(2, '0'));
  return bytes.toReversed().join('').toUpperCase();
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/));
}
