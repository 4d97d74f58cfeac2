import { isIP } from 'node:net';
import { NodeletError } from '../base/errors.js';
import type { PodSandboxConfig, PortMapping } from '../ports/cri/messages.js';
import { validateSandboxUserns } from './mounts/id-mappings.js';
import type { MachineLimits } from './machine-limits.js';
import { validateUser } from './security/image-user.js';
import { validateSandboxNamespaces } from './namespace-validate.js';
import { validatePodResources } from './resources/resources-validate.js';
import type { ResourceMachine } from './resources/resources-validate.js';
import { appArmorChoice, seccompChoice } from './security/security-profile.js';
import { validateSelinux } from './security/selinux-label.js';
import { validateSysctls } from './sysctls.js';
import { securityField } from './security/security-field.js';

const invalid = (field: string, message: string, remedy?: string) =>
  new NodeletError('invalid', message, remedy === undefined ? { field } : { field, remedy });
const unsupported = (field: string, message: string) =>
  new NodeletError('unsupported', message, { field, remedy: 'leave the field out' });

/** sethostname(2) takes no more. */
const hostnameMaxBytes = 64;

/**
 * Refuses what a sandbox config lacks, and what it asks for that nodelet can't do: nothing is dropped silently.
 */
export function validateSandboxConfig(
  config: PodSandboxConfig,
  machine: Pick<MachineLimits, 'appArmor' | 'selinux'> & ResourceMachine,
): void {
  const metadata = config.metadata;
  if (metadata === null) throw invalid('config.metadata', 'is missing');
  for (const key of ['name', 'namespace', 'uid'] as const) {
    if (metadata[key] === '') throw invalid(`config.metadata.${key}`, 'is empty');
  }
  if (config.windows !== null) throw unsupported('config.windows', 'this node runs Linux containers');
  if (Buffer.byteLength(config.hostname) > hostnameMaxBytes) {
    throw invalid('config.hostname', `is longer than ${hostnameMaxBytes} bytes`);
  }
  if (config.log_directory !== '' && !config.log_directory.startsWith('/')) {
    throw invalid('config.log_directory', 'is not an absolute path');
  }
  validateLogPath(config.log_directory, 'config.log_directory');
  // They become words of /etc/hosts and lines of /etc/resolv.conf, where they must not bring more along.
  if (/[\s\0]/.test(config.hostname)) throw invalid('config.hostname', 'has white space');
  for (const key of ['servers', 'searches', 'options'] as const) {
    config.dns_config?.[key].forEach((word, index) => {
      if (/[\s\0]/.test(word)) throw invalid(`config.dns_config.${key}[${index}]`, 'has white space');
    });
  }
  config.port_mappings.forEach((port, index) => validatePort(port, `config.port_mappings[${index}]`));
  const linux = config.linux;
  if (linux === null) return;
  const parent = linux.cgroup_parent;
  if (parent !== '' && (!parent.startsWith('/') || parent.split('/').includes('..'))) {
    throw invalid(
      'config.linux.cgroup_parent',
      `"${parent}" is no absolute path of a cgroup`,
      'this node has the cgroupfs driver: set cgroupDriver: cgroupfs in the kubelet',
    );
  }
  for (const key of ['overhead', 'resources'] as const) {
    const asked = linux[key];
    if (asked !== null) validatePodResources(asked, { base: `config.linux.${key}`, machine });
  }
  validateSysctls(linux.sysctls, linux.security_context?.namespace_options ?? null);
  const context = linux.security_context;
  if (context === null) return;
  validateSandboxNamespaces(context.namespace_options);
  validateSandboxUserns(config);
  validateUser(context, securityField);
  seccompChoice(context, securityField);
  appArmorChoice(context, { base: securityField, appArmor: machine.appArmor });
  validateSelinux(context.selinux_options, { base: securityField, machine });
}

/** conmon ends the path of a log at a colon, and would write to a file that nobody looks for. */
export function validateLogPath(path: string, field: string): void {
  if (/[:\0]/.test(path)) throw invalid(field, 'has a colon or NUL, which can be in no path of a log');
}

function validatePort(port: PortMapping, field: string): void {
  if (port.host_port < 0 || port.host_port > 65535) throw invalid(`${field}.host_port`, 'is not 0 to 65535');
  if (port.host_ip !== '' && isIP(port.host_ip) === 0) {
    throw invalid(`${field}.host_ip`, `"${port.host_ip}" is no IP address`);
  }
  // A port that the pod only tells of may be left at 0; one that a host port leads to may not.
  const least = port.host_port === 0 ? 0 : 1;
  if (port.container_port < least || port.container_port > 65535) {
    throw invalid(`${field}.container_port`, `is not ${least} to 65535`);
  }
}
