import type { PortMapping } from './pod-network.js';

/** One published port with the pod address it leads to. */
export interface PublishedPort extends PortMapping {
  ip: string;
}

interface TableInput {
  table: string;
  bridge: string;
  /** Ranges of pods' addresses, e.g. `10.88.0.0/16`. */
  subnets: readonly string[];
  ports: readonly PublishedPort[];
}

/** The whole table as one transaction, replaced with all that is published. nft(8). */
export function tableScript({ table, bridge, subnets, ports }: TableInput): string {
  const lines = [`table ip ${table} {}`, `delete table ip ${table}`, `table ip ${table} {`];
  for (const protocol of ['tcp', 'udp', 'sctp'] as const) {
    lines.push(
      ` map ${protocol}_any { type inet_service : ipv4_addr . inet_service; }`,
      ` map ${protocol}_at { type ipv4_addr . inet_service : ipv4_addr . inet_service; }`,
    );
  }
  const dnat = (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => [
    `  fib daddr type local dnat ip to ip daddr . ${protocol} dport map @${protocol}_at`,
    `  fib daddr type local dnat ip to ${protocol} dport map @${protocol}_any`,
  ]);
  lines.push(
    // route_localnet lets host ports work on 127.0.0.1; without this, a pod could reach what listens on the host's loopback.
    ' chain guard { type filter hook prerouting priority raw; policy accept;',
    `  iifname "${bridge}" ip daddr 127.0.0.0/8 drop`,
    ' }',
    ' chain prerouting { type nat hook prerouting priority dstnat; policy accept;',
    ...dnat,
    ' }',
    ' chain output { type nat hook output priority -100; policy accept;',
    ...dnat,
    ' }',
    ' chain postrouting { type nat hook postrouting priority srcnat; policy accept;',
    ...subnets.map((subnet) => `  ip saddr ${subnet} oifname != "${bridge}" masquerade`),
    // A pod that reaches itself through a host port, and the host's own loopback clients, need an address the pod can answer.
    ...subnets.map((subnet) => `  ip saddr ${subnet} oifname "${bridge}" ct status dnat masquerade`),
    `  ip saddr 127.0.0.0/8 oifname "${bridge}" masquerade`,
    ' }',
    '}',
  );
  return `${lines.join('\n')}\n${elementsScript({ verb: 'add', table, ports })}`;
}

/**
 * One pod's ports put into the table's maps or taken out, as one transaction: half the cost of the whole table. Refused
 * where the table isn't as it should be (a port that leads elsewhere, or that is not there to be taken out).
 */
export function elementsScript(change: {
  verb: 'add' | 'delete';
  table: string;
  ports: readonly PublishedPort[];
}): string {
  const { verb, table, ports } = change;
  return ports
    .map(({ protocol, hostIp, hostPort, ip, containerPort }) => {
      const [map, key] = isAnywhere(hostIp) ? ['any', hostPort] : ['at', `${hostIp} . ${hostPort}`];
      const element = verb === 'add' ? `${key} : ${ip} . ${containerPort}` : `${key}`;
      return `${verb} element ip ${table} ${protocol.toLowerCase()}_${map} { ${element} }\n`;
    })
    .join('');
}

const isAnywhere = (hostIp: string) => hostIp === '' || hostIp === '0.0.0.0' || hostIp === '::';

/** Whether two published ports can't both be had: same protocol and number, and addresses that overlap. */
export function portsClash(a: PortMapping, b: PortMapping): boolean {
  const overlap = isAnywhere(a.hostIp) || isAnywhere(b.hostIp) || a.hostIp === b.hostIp;
  return a.protocol === b.protocol && a.hostPort === b.hostPort && overlap;
}
