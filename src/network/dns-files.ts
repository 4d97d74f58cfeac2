import type { DNSConfig } from '../ports/cri/messages.js';

export interface HostResolvConf {
  /** /etc/resolv.conf. */
  text: string;
  /** What a local resolver (systemd-resolved) itself asks; empty where there is none. */
  upstreamText: string;
  /** The pod has a network of its own, where the host's loopback can't be reached. */
  ownNetwork: boolean;
}

const loopbackServer = /^\s*nameserver\s+(127\.|::1\b)/;

/** resolv.conf of a pod: the request's DNS config, or the host's where it has none (resolv.conf(5)). */
export function renderResolvConf(dns: DNSConfig | null, host: HostResolvConf): string {
  if (dns === null || dns.servers.length + dns.searches.length + dns.options.length === 0) {
    const lines = host.text.split('\n');
    if (!host.ownNetwork || !lines.some((line) => loopbackServer.test(line))) return host.text;
    // A resolver on the host's loopback is out of the pod's reach: its upstream servers are not.
    const source = host.upstreamText === '' ? lines : host.upstreamText.split('\n');
    return source.filter((line) => !loopbackServer.test(line)).join('\n');
  }
  const lines = [
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : []),
    ...dns.servers.map((server) => `nameserver ${server}`),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** hosts file of a pod with a network of its own; an empty `ip` leaves the pod's name on loopback. */
export function renderHosts({ ip, hostname }: { ip: string; hostname: string }): string {
  const own = hostname === '' ? [] : [`${ip === '' ? '127.0.0.1' : ip}\t${hostname}`];
  return `${['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', ...own].join('\n')}\n`;
}
