import { NodeletError } from '../base/errors.js';
import type { Firewall } from '../ports/firewall.js';
import type { Processes } from '../ports/processes.js';

const timeoutMs = 10_000;

/** nftables through nft(8); a script is one transaction. */
export function createFirewall(processes: Processes): Firewall {
  return {
    apply: async (script) => {
      const result = await processes.run({ argv: ['nft', '-f', '-'], stdin: Buffer.from(script), timeoutMs });
      if (result.exitCode === 0) return;
      throw new NodeletError('tool-failed', `nft: ${result.stderr.toString('utf8').trim()}`);
    },
    dump: async (family, table) => {
      const result = await processes.run({ argv: ['nft', '-j', 'list', 'table', family, table], timeoutMs });
      if (result.exitCode !== 0) return [];
      const parsed = JSON.parse(result.stdout.toString('utf8')) as { nftables: Record<string, unknown>[] };
      return parsed.nftables;
    },
  };
}
