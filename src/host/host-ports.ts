import fs from 'node:fs/promises';
import type { HostPorts } from '../ports/host-ports.js';

const listening = '0A';

/** Bound ports from /proc/net, proc(5): local address and port in hexadecimal, the address in host byte order. */
export function createHostPorts(): HostPorts {
  return {
    isBound: async ({ protocol, hostIp, hostPort }) => {
      if (protocol === 'SCTP') return false;
      const wanted = hostIp === '0.0.0.0' || hostIp === '::' ? '' : hexAddress(hostIp);
      for (const family of ['', '6']) {
        const text = await fs
          .readFile(`/proc/net/${protocol.toLowerCase()}${family}`, 'utf8')
          .catch(() => '');
        for (const line of text.split('\n').slice(1)) {
          const [, local = '', , state] = line.trim().split(/\s+/);
          const [address = '', port = ''] = local.split(':');
          if (parseInt(port, 16) !== hostPort || (protocol === 'TCP' && state !== listening)) continue;
          if (wanted === '' || /^0+$/.test(address) || address === wanted) return true;
        }
      }
      return false;
    },
  };
}

function hexAddress(ip: string): string {
  if (!/^\d+(\.\d+){3}$/.test(ip)) return '';
  const bytes = ip.split('.').map((octet) => Number(octet).toString(16).padStart(2, '0'));
  return bytes.toReversed().join('').toUpperCase();
}
