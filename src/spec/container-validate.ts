import { NodeletError } from '../base/errors.js';
import type {
  ContainerConfig,
  KeyValue,
  LinuxContainerSecurityContext,
  PodSandboxConfig,
} from '../ports/cri/messages.js';
import { validateContainerSecurity } from './security/container-security-validate.js';
import { validateContainerUserns } from './mounts/id-mappings.js';
import type { MachineLimits } from './machine-limits.js';
import { validateDevices } from './devices/device-validate.js';
import { validateMountMappings } from './mounts/mount-mappings.js';
import { validateMounts } from './mounts/mount-validate.js';
import { validateContainerNamespaces } from './namespace-validate.js';
import { validateWords, wordMaxBytes } from './process-words.js';
import { validateResources } from './resources/resources-validate.js';
import { validateLogPath } from './sandbox-validate.js';

const invalid = (field: string, message: string) => new NodeletError('invalid', message, { field });
const unsupported = (field: string, message: string) =>
  new NodeletError('unsupported', message, { field, remedy: 'leave the field out' });

/** As validateSandboxConfig, for a container; `sandbox` is the pod it is to join. */
export function validateContainerConfig(
  config: ContainerConfig,
  sandbox: PodSandboxConfig,
  machine: MachineLimits,
): void {
  if (config.metadata === null) throw invalid('config.metadata', 'is missing');
  if (config.metadata.name === '') throw invalid('config.metadata.name', 'is empty');
  if ((config.image?.image ?? '') === '') throw invalid('config.image.image', 'is empty');
  // No image's name begins so: the kubelet hands checkpoints over like this.
  if (config.image?.image.startsWith('/') === true) {
    throw unsupported('config.image.image', 'a container is not restored from a checkpoint');
  }
  if (config.windows !== null) throw unsupported('config.windows', 'this node runs Linux containers');
  if (config.working_dir !== '' && !config.working_dir.startsWith('/')) {
    throw invalid('config.working_dir', 'is not an absolute path');
  }
  if (config.log_path.split('/').includes('..')) {
    throw invalid('config.log_path', 'leads out of the log directory');
  }
  validateLogPath(config.log_path, 'config.log_path');
  validateWords(config.command, 'config.command');
  validateWords(config.args, 'config.args');
  config.envs.forEach((env, index) => validateEnv(env, `config.envs[${index}]`));
  validateMounts(config.mounts);
  validateDevices(config.devices);
  validateMountMappings(config.mounts, sandbox);
  const linux = config.linux;
  validateContainerUserns(config.linux?.security_context ?? null, sandbox);
  if (linux === null) return;
  if (linux.resources !== null) {
    validateResources(linux.resources, { base: 'config.linux.resources', machine, ofContainer: true });
  }
  if (linux.security_context !== null) validateSecurity(linux.security_context, sandbox, machine);
}

function validateEnv({ key, value }: KeyValue, field: string): void {
  if (key === '' || /[=\0]/.test(key)) throw invalid(`${field}.key`, `"${key}" is no name of a variable`);
  const bytes = Buffer.from(value);
  // The spec is JSON: other bytes would arrive changed.
  if (bytes.includes(0) || !Buffer.from(bytes.toString('utf8')).equals(bytes)) {
    throw invalid(`${field}.value`, `of ${key} is not UTF-8 text without NUL`);
  }
  if (Buffer.byteLength(key) + 1 + bytes.length > wordMaxBytes) {
    throw invalid(`${field}.value`, `of ${key} is longer than ${wordMaxBytes} bytes, its name included`);
  }
}

function validateSecurity(
  security: LinuxContainerSecurityContext,
  sandbox: PodSandboxConfig,
  machine: MachineLimits,
): void {
  validateContainerNamespaces(security.namespace_options, sandbox);
  validateContainerSecurity(security, sandbox, machine);
}
