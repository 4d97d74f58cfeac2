import { NodeletError } from '../base/errors.js';

/** An IPv4 subnet as numbers; the first address is the gateway, network and broadcast are never given out. */
export interface Subnet {
  base: number;
  prefix: number;
  size: number;
}

/** Reads `10.88.0.0/16`; `invalid` for anything else, naming the field that it came from. */
export function parseSubnet(text: string, field: string): Subnet {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(text);
  const octets = match?.slice(1, 5).map(Number) ?? [];
  const prefix = Number(match?.[5]);
  if (match === null || octets.some((octet) => octet > 255) || prefix < 8 || prefix > 30) {
    throw new NodeletError('invalid', `"${text}" is no IPv4 subnet`, {
      field,
      remedy: 'write it as 10.88.0.0/16, with a prefix of 8 to 30',
    });
  }
  const size = 2 ** (32 - prefix);
  const address = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  return { base: address - (address % size), prefix, size };
}

export function subnetText({ base, prefix }: Subnet): string {
  return `${addressText(base)}/${prefix}`;
}

/** The first address, with which the host is a member of the subnet. */
export function gatewayOf({ base }: Subnet): string {
  return addressText(base + 1);
}

export function overlap(a: Subnet, b: Subnet): boolean {
  return a.base < b.base + b.size && b.base < a.base + a.size;
}

export function addressText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** The next free address after the one given last, wrapping around, so that a freed address rests before it is reused. */
export function nextFree(subnet: Subnet, taken: ReadonlySet<string>, last: number): number {
  const [first, count] = [2, subnet.size - 3];
  for (let step = 0; step < count; step++) {
    const offset = first + ((Math.max(last, first - 1) - first + 1 + step) % count);
    if (!taken.has(addressText(subnet.base + offset))) return offset;
  }
  throw new NodeletError('exhausted', `all ${count} addresses of the pod subnet are in use`, {
    remedy: 'remove pods, or configure a larger network.subnet',
  });
}
