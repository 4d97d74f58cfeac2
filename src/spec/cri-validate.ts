import { NodeletError } from '../base/errors.js';
import type {
  ContainerConfig,
  NamespaceOption,
  PodSandboxConfig,
  SecurityProfile,
} from '../ports/cri/messages.js';

const invalid = (field: string, message: string) => new NodeletError('invalid', message, { field });
const unsupported = (field: string, message: string) =>
  new NodeletError('unsupported', message, { field, remedy: 'leave the field out' });

/** Refuses what a sandbox config lacks, and what it asks for that nodelet can't do yet: nothing is dropped silently. */
export function validateSandboxConfig(config: PodSandboxConfig): void {
  const metadata = config.metadata;
  if (metadata === null) throw invalid('config.metadata', 'is missing');
  for (const key of ['name', 'namespace', 'uid'] as const) {
    if (metadata[key] === '') throw invalid(`config.metadata.${key}`, 'is empty');
  }
  if (config.windows !== null) throw unsupported('config.windows', 'this node runs Linux containers');
  const seen = new Set<string>();
  config.port_mappings.forEach((port, index) => {
    const field = `config.port_mappings[${index}]`;
    if (port.host_port < 0 || port.host_port > 65535)
      throw invalid(`${field}.host_port`, 'is not 0 to 65535');
    if (port.host_port === 0) return;
    if (port.container_port < 1 || port.container_port > 65535) {
      throw invalid(`${field}.container_port`, 'is not 1 to 65535');
    }
    const key = `${port.protocol} ${port.host_ip} ${port.host_port}`;
    if (seen.has(key)) throw invalid(`${field}.host_port`, `${port.host_port} is asked for twice`);
    seen.add(key);
  });
  const linux = config.linux;
  if (linux === null) return;
  checkSysctls(linux.sysctls, linux.security_context?.namespace_options ?? null);
  if (linux.resources !== null && isLimited(linux.resources)) {
    throw unsupported('config.linux.resources', 'pod-level limits are not applied yet');
  }
  const context = linux.security_context;
  if (context === null) return;
  const base = 'config.linux.security_context';
  checkNamespaces(context.namespace_options, base);
  if (context.selinux_options !== null)
    throw unsupported(`${base}.selinux_options`, 'SELinux is not supported yet');
  checkProfile(context.seccomp, `${base}.seccomp`);
  checkProfile(context.apparmor, `${base}.apparmor`);
}

const isLimited = (resources: object) =>
  Object.values(resources).some(
    (value) => value !== '0' && value !== '' && Object.keys(value as object).length > 0,
  );

const safeSysctls =
  /^(kernel\.shm_rmid_forced|net\.ipv4\.(ip_local_port_range|tcp_syncookies|ping_group_range|ip_unprivileged_port_start|ip_local_reserved_ports|tcp_keepalive_\w+|tcp_fin_timeout|tcp_rmem|tcp_wmem))$/;

function checkSysctls(sysctls: Record<string, string>, options: NamespaceOption | null): void {
  for (const name of Object.keys(sysctls)) {
    const field = `config.linux.sysctls["${name}"]`;
    const normal = name.replaceAll('/', '.');
    const own = /^net\./.test(normal) ? options?.network !== 'NODE' : options?.ipc !== 'NODE';
    if (!safeSysctls.test(normal)) throw unsupported(field, 'is not one of the safe, namespaced settings');
    if (!own) throw invalid(field, "can't be set: the pod uses the host's namespace");
  }
}

function checkNamespaces(options: NamespaceOption | null, base: string): void {
  if (options === null) return;
  const field = `${base}.namespace_options`;
  if (options.pid === 'TARGET') throw unsupported(`${field}.pid`, 'TARGET is not supported yet');
  if (options.network === 'TARGET' || options.ipc === 'TARGET')
    throw invalid(field, 'TARGET is only for pid');
  const user = options.userns_options;
  if (user !== null && user.mode !== 'NODE') {
    throw unsupported(`${field}.userns_options`, 'user namespaces are not supported yet');
  }
}

function checkProfile(profile: SecurityProfile | null, field: string): void {
  if (profile?.profile_type === 'Localhost') {
    throw unsupported(`${field}.localhost_ref`, 'profiles from a local file are not supported yet');
  }
}

/** As validateSandboxConfig, for a container; `sandbox` is the pod it is to join. */
export function validateContainerConfig(config: ContainerConfig, sandbox: PodSandboxConfig): void {
  if (config.metadata === null) throw invalid('config.metadata', 'is missing');
  if (config.metadata.name === '') throw invalid('config.metadata.name', 'is empty');
  if ((config.image?.image ?? '') === '') throw invalid('config.image.image', 'is empty');
  if (config.windows !== null) throw unsupported('config.windows', 'this node runs Linux containers');
  if (config.CDI_devices.length > 0) throw unsupported('config.CDI_devices', 'CDI is not supported yet');
  if (config.devices.length > 0) throw unsupported('config.devices', 'host devices are not supported yet');
  if (/(^|\/)\.\.(\/|$)/.test(config.log_path))
    throw invalid('config.log_path', 'leads out of the log directory');
  config.mounts.forEach((mount, index) => {
    const field = `config.mounts[${index}]`;
    if (!mount.container_path.startsWith('/'))
      throw invalid(`${field}.container_path`, 'is not an absolute path');
    if (mount.image !== null || mount.image_sub_path !== '') {
      throw unsupported(`${field}.image`, 'image volumes are not supported yet');
    }
    if (!mount.host_path.startsWith('/')) throw invalid(`${field}.host_path`, 'is not an absolute path');
    if (mount.recursive_read_only) {
      throw unsupported(`${field}.recursive_read_only`, 'is not supported yet');
    }
    if (mount.uidMappings.length + mount.gidMappings.length > 0) {
      throw unsupported(`${field}.uidMappings`, 'id-mapped mounts are not supported yet');
    }
    if (mount.selinux_relabel) throw unsupported(`${field}.selinux_relabel`, 'SELinux is not supported yet');
  });
  const context = config.linux?.security_context ?? null;
  if (context === null) return;
  const base = 'config.linux.security_context';
  checkNamespaces(context.namespace_options, base);
  checkProfile(context.seccomp, `${base}.seccomp`);
  checkProfile(context.apparmor, `${base}.apparmor`);
  if (context.selinux_options !== null)
    throw unsupported(`${base}.selinux_options`, 'SELinux is not supported yet');
  if (context.apparmor_profile !== '')
    throw unsupported(`${base}.apparmor_profile`, 'use the field apparmor');
  if (context.seccomp_profile_path !== '')
    throw unsupported(`${base}.seccomp_profile_path`, 'use the field seccomp');
  if (context.run_as_group !== null && context.run_as_user === null && context.run_as_username === '') {
    throw invalid(`${base}.run_as_group`, 'is set without run_as_user');
  }
  if ((context.capabilities?.add_ambient_capabilities.length ?? 0) > 0) {
    throw unsupported(
      `${base}.capabilities.add_ambient_capabilities`,
      'ambient capabilities are not supported yet',
    );
  }
  if (context.privileged && sandbox.linux?.security_context?.privileged !== true) {
    throw invalid(`${base}.privileged`, 'the sandbox is not privileged');
  }
}
