import type { MachineLimits } from '../pods/pods.js';
import type { Files } from '../ports/files.js';
import { capabilityNames } from '../spec/capabilities.js';
import { seccompFromProfile } from '../spec/seccomp-profile.js';

const seccompPaths = ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json'];
const capSysResource = 24n;

/** Reads once what this agent may hand to containers: its own capabilities and the default seccomp profile. */
export async function machineLimits(files: Files): Promise<MachineLimits> {
  const status = (await files.read('/proc/self/status'))?.toString('utf8') ?? '';
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const capabilities = capabilityNames.filter((_, bit) => (effective >> BigInt(bit)) & 1n);
  let profile: string | undefined;
  for (const path of seccompPaths) profile ??= (await files.read(path))?.toString('utf8');
  return {
    capabilities,
    mayLowerOomScore: ((effective >> capSysResource) & 1n) === 1n,
    seccompFor: (granted) =>
      profile === undefined ? undefined : seccompFromProfile({ profile, capabilities: granted }),
  };
}
