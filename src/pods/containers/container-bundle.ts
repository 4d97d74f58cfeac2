import type { CallContext } from '../../base/call-context.js';
import type { ImageInfo } from '../../images/images.js';
import type { Mount } from '../../ports/cri/messages.js';
import { capabilityNames } from '../../spec/security/capabilities.js';
import { ipcOwner } from '../../spec/container-namespaces.js';
import { buildContainerSpec, oomScore } from '../../spec/container-spec.js';
import { podIdMapping } from '../../spec/mounts/id-mappings.js';
import type { ResolvedImageUser } from '../../spec/security/image-user.js';
import { requireMapped } from '../../spec/security/mapped-user.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import { anonymousVolumes } from '../mounts/anonymous-volumes.js';
import { withCdiDevices } from '../devices/cdi-devices.js';
import { grantDevices } from '../devices/host-devices.js';
import { prepareMounts } from '../mounts/mount-preparation.js';
import { pidTarget } from './pid-target.js';
import type { Pods } from '../pods.js';
import { podHostname } from '../sandboxes/pod-files.js';
import type { SecurityParts } from '../security/process-security.js';
import { containerSecurity } from '../security/process-security.js';
import { podRoot } from '../security/user-namespaces.js';
import { annotatedContainer, serviceClasses } from '../devices/service-classes.js';

/** What the container's record keeps of it. */
interface WrittenBundle {
  user: ResolvedImageUser;
  /** As a status tells them. */
  mounts: Mount[];
  /** The runtime has something to run once the container is gone. */
  hasPoststop: boolean;
}

/** Writes the folders and the OCI spec that a container starts from; gives what its record keeps of that. */
export class ContainerBundles {
  private toldOfOomScore = false;

  constructor(private readonly pods: Pods) {}

  async write(
    record: ContainerRecord,
    sandbox: SandboxRecord,
    made: { rootfs: string; image: ImageInfo },
    ctx: CallContext,
  ): Promise<WrittenBundle> {
    const { host, limits } = this.pods.parts;
    const { files } = host;
    const { config } = record;
    if (record.logPath !== undefined) await files.makeDir(dirName(record.logPath));
    const idMapping = podIdMapping(sandbox.config);
    const security = await containerSecurity(
      idMapping === undefined ? this.pods.securityParts : insideUserns(this.pods.securityParts),
      { rootfs: made.rootfs, imageUser: made.image.run.user },
      config.linux?.security_context ?? null,
    );
    requireMapped(security.user, idMapping);
    const mounts = await prepareMounts(this.pods, record, {
      rootfs: made.rootfs,
      handler: sandbox.handler,
      fileLabel: security.selinux?.mount,
      idMapping,
    });
    const volumes = await anonymousVolumes(
      this.pods,
      {
        container: record.id,
        rootfs: made.rootfs,
        declared: made.image.run.volumes,
        mounts,
        fileLabel: security.selinux?.mount,
        owner: podRoot(sandbox.config),
      },
      ctx,
    );
    const sandboxDir = this.pods.sandboxDir(sandbox.id);
    const classes = await serviceClasses(annotatedContainer(config, sandbox.config), {
      files,
      config: this.pods.parts.config,
    });
    const plain = buildContainerSpec({
      config,
      mounts: [...mounts, ...volumes],
      sandboxId: sandbox.id,
      sandboxConfig: sandbox.config,
      image: made.image.run,
      rootfs: made.rootfs,
      security,
      infraPid: sandbox.infra?.pid ?? 0,
      targetPid: pidTarget(this.pods, record)?.pid,
      netnsPath: sandbox.netnsPath,
      idMapping,
      cgroupsPath: record.cgroupPath,
      hostname: await podHostname(files, sandbox.config.hostname),
      files: {
        resolvConf: `${sandboxDir}/resolv.conf`,
        hosts: `${sandboxDir}/hosts`,
        hostname: `${sandboxDir}/hostname`,
        shm: this.shm(record, sandbox),
      },
      devices: await grantDevices(files, {
        devices: config.devices,
        privileged: config.linux?.security_context?.privileged ?? false,
      }),
      classes,
      machine: limits,
    });
    const spec = await withCdiDevices(plain, config, { files, dirs: this.pods.parts.config.cdiDirs });
    this.tellOfOomScore(record);
    await files.writeAtomic(`${record.bundle}/config.json`, JSON.stringify(spec), 0o600);
    return {
      user: security.user,
      mounts: mounts.map(({ mount }) => mount),
      hasPoststop: spec.hooks?.poststop !== undefined,
    };
  }

  private shm({ config }: ContainerRecord, sandbox: SandboxRecord): string | undefined {
    const owner = ipcOwner(config, sandbox.config);
    if (owner === 'container') return undefined;
    return owner === 'host' ? '/dev/shm' : this.pods.shmPath(sandbox.id);
  }

  /** Once: every pod of a kubelet asks for such scores. */
  private tellOfOomScore({ id, config }: ContainerRecord): void {
    const { asked, given } = oomScore(config, this.pods.parts.limits);
    if (asked === given || this.toldOfOomScore) return;
    this.toldOfOomScore = true;
    this.pods.parts.log.warn(
      { container: id, asked, given },
      'oom_score_adj is raised to what nodelet may give without CAP_SYS_RESOURCE; said once',
    );
  }
}

/** A process has every capability over a user namespace that it enters, whatever the agent lacks over the host. */
const insideUserns = (parts: SecurityParts): SecurityParts => ({
  ...parts,
  limits: { ...parts.limits, capabilities: capabilityNames },
});

function dirName(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
