import type { LinkTraffic } from '../ports/links.js';

/**
 * /proc/net/dev, proc_net(5): after the name eight counters of what was received, then eight of what was sent, each
 * beginning with bytes, packets, errors and drops. One file for all links, read without the kernel's lock on them.
 */
export function linkTrafficIn(text: string): Map<string, LinkTraffic> {
  const links = new Map<string, LinkTraffic>();
  for (const line of text.split('\n')) {
    const colon = line.lastIndexOf(':');
    const values = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    if (colon < 0 || values.length < 12 || values.some(Number.isNaN)) continue;
    const counters = (at: number) => ({
      bytes: values[at] ?? 0,
      packets: values[at + 1] ?? 0,
      errors: values[at + 2] ?? 0,
      dropped: values[at + 3] ?? 0,
    });
    links.set(line.slice(0, colon).trim(), { received: counters(0), sent: counters(8) });
  }
  return links;
}
