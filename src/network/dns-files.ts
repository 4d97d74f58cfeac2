import type { DNSConfig } from '../ports/cri/messages.js';

/** resolv.conf of a pod: the request's DNS config, or the host's text where it has none (resolv.conf(5)). */
export function renderResolvConf(dns: DNSConfig | null, hostText: string): string {
  if (dns === null || dns.servers.length + dns.searches.length + dns.options.length === 0) return hostText;
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
