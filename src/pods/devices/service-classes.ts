import { NodeletError, isKind } from '../../base/errors.js';
import type { ContainerConfig, PodSandboxConfig } from '../../ports/cri/messages.js';
import type { Files } from '../../ports/files.js';
import type { BlockIoRule, NodeConfig } from '../../spec/config/node-config.js';
import type { OciBlockIo, OciIntelRdt } from '../../spec/oci-spec-types.js';
import type { AnnotatedContainer, ChosenClass } from '../../spec/devices/service-class.js';
import { chosenClass } from '../../spec/devices/service-class.js';
import type { BlockDevice } from './block-devices.js';
import { matchingBlockDevices } from './block-devices.js';

export interface ServiceClassParts {
  files: Pick<Files, 'list' | 'stat' | 'realPath'>;
  config: Pick<NodeConfig, 'blockIoClasses' | 'rdtClasses'>;
}

const resctrl = '/sys/fs/resctrl';

/** What chooses a container's classes. */
export function annotatedContainer(config: ContainerConfig, pod: PodSandboxConfig): AnnotatedContainer {
  const { annotations, metadata } = config;
  return { name: metadata?.name ?? '', annotations, podAnnotations: pod.annotations };
}

/** What the classes of service come to that annotations choose for a container; errors name the annotation. */
export async function serviceClasses(
  container: AnnotatedContainer,
  parts: ServiceClassParts,
): Promise<{ blockIo: OciBlockIo | undefined; intelRdt: OciIntelRdt | undefined }> {
  const blockIo = chosenClass('blockio', container);
  const rdt = chosenClass('rdt', container);
  return {
    blockIo: blockIo && (await blockIoOf(blockIo, parts)),
    intelRdt: rdt && (await intelRdtOf(rdt, parts)),
  };
}

function unknownClass({ name, field }: ChosenClass, key: string, known: object): NodeletError {
  const names = Object.keys(known).join(', ') || 'none';
  return new NodeletError('not-found', `this node has no class "${name}"`, {
    field,
    remedy: `${key} of the node's configuration has: ${names}`,
  });
}

async function blockIoOf(chosen: ChosenClass, { files, config }: ServiceClassParts): Promise<OciBlockIo> {
  const { blockIoClasses: known } = config;
  const rules = Object.hasOwn(known, chosen.name) ? known[chosen.name] : undefined;
  if (rules === undefined) throw unknownClass(chosen, 'blockIoClasses', known);
  const limits: OciBlockIo = {};
  for (const rule of rules) await addRule(limits, rule, chosen, files);
  return limits;
}

async function addRule(
  limits: OciBlockIo,
  rule: BlockIoRule,
  { name, field }: ChosenClass,
  files: ServiceClassParts['files'],
): Promise<void> {
  if (rule.devices.length === 0) {
    if (rule.weight !== undefined) limits.weight = rule.weight;
    return;
  }
  const disks = new Map<string, BlockDevice>();
  for (const pattern of rule.devices) {
    const found = await matchingBlockDevices(files, pattern);
    if (found.length === 0) {
      throw new NodeletError('unsupported', `class "${name}" is for ${pattern}, where no disk is`, {
        field,
        remedy: "name this machine's disks in blockIoClasses of the node's configuration",
      });
    }
    for (const disk of found) disks.set(`${disk.major}:${disk.minor}`, disk);
  }
  const { weight } = rule;
  for (const disk of disks.values()) {
    if (weight !== undefined) (limits.weightDevice ??= []).push({ ...disk, weight });
    for (const [key, rate] of rates(rule)) (limits[key] ??= []).push({ ...disk, rate });
  }
}

type RateKey = `throttle${'Read' | 'Write'}${'Bps' | 'IOPS'}Device`;

function rates(rule: BlockIoRule): [RateKey, number][] {
  const all: [RateKey, number | undefined][] = [
    ['throttleReadBpsDevice', rule.throttleReadBps],
    ['throttleWriteBpsDevice', rule.throttleWriteBps],
    ['throttleReadIOPSDevice', rule.throttleReadIops],
    ['throttleWriteIOPSDevice', rule.throttleWriteIops],
  ];
  return all.filter((entry): entry is [RateKey, number] => entry[1] !== undefined);
}

/** A class of the configuration is made by the OCI runtime where it isn't there; any other must be a group of resctrl. */
async function intelRdtOf(chosen: ChosenClass, { files, config }: ServiceClassParts): Promise<OciIntelRdt> {
  if ((await files.stat(`${resctrl}/schemata`)) === undefined) {
    throw new NodeletError('unsupported', 'this machine has no control of caches and memory bandwidth', {
      field: chosen.field,
      remedy: `leave the annotation out, or mount resctrl at ${resctrl} on a machine that has it`,
    });
  }
  const { rdtClasses: known } = config;
  if (Object.hasOwn(known, chosen.name)) return { closID: chosen.name, ...known[chosen.name] };
  const isName = /^\w[\w.-]*$/.test(chosen.name);
  if (isName && (await files.stat(`${resctrl}/${chosen.name}/schemata`)) !== undefined) {
    return { closID: chosen.name };
  }
  throw unknownClass(chosen, 'rdtClasses', known);
}

/** Files of cgroups and resctrl in which classes end up, in the messages of OCI runtimes about them. */
const classFiles: [kind: 'blockio' | 'rdt', file: RegExp][] = [
  ['blockio', /\bblkio\b|\bio\.(max|weight|bfq)/],
  ['rdt', /resctrl|intelrdt/i],
];

/**
 * An OCI runtime's failure as the annotation's fault where it is about a class: only the kernel knows whether it takes weights,
 * which depends on each disk's I/O scheduler, and some runtimes know no file of a kernel's.
 */
export function blameClass(thrown: unknown, container: AnnotatedContainer): unknown {
  if (!isKind(thrown, 'tool-failed')) return thrown;
  for (const [kind, file] of classFiles) {
    const chosen = file.test(thrown.message) ? chosenClass(kind, container) : undefined;
    if (chosen === undefined) continue;
    return new NodeletError('unsupported', `class "${chosen.name}" can't be had here: ${thrown.message}`, {
      field: chosen.field,
      remedy: 'choose another class, or leave the annotation out',
      cause: thrown,
    });
  }
  return thrown;
}
