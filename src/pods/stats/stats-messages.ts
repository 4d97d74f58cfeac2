import type { Pressure } from '../../ports/cgroup-meter.js';
import {
  newContainerAttributes,
  newContainerStats,
  newCpuUsage,
  newFilesystemIdentifier,
  newFilesystemUsage,
  newIoUsage,
  newLinuxPodSandboxStats,
  newMemoryUsage,
  newNetworkInterfaceUsage,
  newNetworkUsage,
  newPodSandboxAttributes,
  newPodSandboxStats,
  newProcessUsage,
  newPsiData,
  newPsiStats,
  newSwapUsage,
} from '../../ports/cri/messages.js';
import type {
  ContainerStats,
  CpuUsage,
  IoUsage,
  MemoryUsage,
  NetworkUsage,
  PodSandboxStats,
  PsiStats,
  SwapUsage,
  UInt64Value,
} from '../../ports/cri/messages.js';
import type { LinkTraffic } from '../../ports/links.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import type { UsageSample } from './usage-sample.js';
import type { LayerUsage } from './writable-layers.js';

/** Name of a pod's interface, in its network namespace. */
export const podInterface = 'eth0';

const uint64 = (value: number): UInt64Value => ({ value: String(Math.round(value)) });
const uint64OrNull = (value: number | undefined): UInt64Value | null =>
  value === undefined ? null : uint64(value);

/** One container; what was not sampled or measured is null. */
export function containerStats(
  record: ContainerRecord,
  seen: { sample: UsageSample | undefined; layer: LayerUsage | undefined; storeDir: string },
): ContainerStats {
  const { sample, layer } = seen;
  const { metadata, labels, annotations } = record.config;
  return newContainerStats({
    attributes: newContainerAttributes({ id: record.id, metadata, labels, annotations }),
    cpu: sample === undefined ? null : cpuUsage(sample),
    memory: sample === undefined ? null : memoryUsage(sample),
    swap: sample === undefined ? null : swapUsage(sample),
    io: sample === undefined ? null : ioUsage(sample),
    writable_layer:
      layer === undefined
        ? null
        : newFilesystemUsage({
            timestamp: layer.timestampNs,
            fs_id: newFilesystemIdentifier({ mountpoint: seen.storeDir }),
            used_bytes: uint64(layer.bytes),
            inodes_used: uint64(layer.inodes),
          }),
  });
}

/** One pod: its whole cgroup, its interface, and its running containers. */
export function podSandboxStats(
  record: SandboxRecord,
  seen: {
    sample: UsageSample | undefined;
    /** Of the host's end of the pod's link; undefined for a pod that has none. */
    link: { timestampNs: string; traffic: LinkTraffic } | undefined;
    containers: ContainerStats[];
  },
): PodSandboxStats {
  const { sample, link } = seen;
  const { metadata, labels, annotations } = record.config;
  return newPodSandboxStats({
    attributes: newPodSandboxAttributes({ id: record.id, metadata, labels, annotations }),
    linux: newLinuxPodSandboxStats({
      cpu: sample === undefined ? null : cpuUsage(sample),
      memory: sample === undefined ? null : memoryUsage(sample),
      io: sample === undefined ? null : ioUsage(sample),
      network: link === undefined ? null : networkUsage(link),
      process:
        sample === undefined
          ? null
          : newProcessUsage({
              timestamp: sample.timestampNs,
              process_count: uint64OrNull(sample.reading.tasks),
            }),
      containers: seen.containers,
    }),
  });
}

function cpuUsage({ timestampNs, reading, nanoCores }: UsageSample): CpuUsage | null {
  if (reading.cpu === undefined) return null;
  return newCpuUsage({
    timestamp: timestampNs,
    usage_core_nano_seconds: uint64(reading.cpu.usageNs),
    usage_nano_cores: uint64OrNull(nanoCores),
    psi: psiStats(reading.cpu.pressure),
  });
}

function memoryUsage({ timestampNs, reading }: UsageSample): MemoryUsage | null {
  const { memory } = reading;
  if (memory === undefined) return null;
  const { limitBytes, workingSetBytes } = memory;
  return newMemoryUsage({
    timestamp: timestampNs,
    working_set_bytes: uint64(workingSetBytes),
    available_bytes: limitBytes === undefined ? null : uint64(Math.max(0, limitBytes - workingSetBytes)),
    usage_bytes: uint64(memory.usageBytes),
    rss_bytes: uint64(memory.rssBytes),
    page_faults: uint64(memory.pageFaults),
    major_page_faults: uint64(memory.majorPageFaults),
    psi: psiStats(memory.pressure),
  });
}

function swapUsage({ timestampNs, reading }: UsageSample): SwapUsage | null {
  const swap = reading.memory?.swap;
  if (swap === undefined) return null;
  const { usageBytes, limitBytes } = swap;
  return newSwapUsage({
    timestamp: timestampNs,
    swap_usage_bytes: uint64(usageBytes),
    swap_available_bytes: limitBytes === undefined ? null : uint64(Math.max(0, limitBytes - usageBytes)),
  });
}

/** Of block I/O CRI knows nothing but the pressure. */
function ioUsage({ timestampNs, reading }: UsageSample): IoUsage | null {
  if (reading.ioPressure === undefined) return null;
  return newIoUsage({ timestamp: timestampNs, psi: psiStats(reading.ioPressure) });
}

/** What the host's end has sent the pod has received, and the other way round. */
function networkUsage({ timestampNs, traffic }: { timestampNs: string; traffic: LinkTraffic }): NetworkUsage {
  return newNetworkUsage({
    timestamp: timestampNs,
    default_interface: newNetworkInterfaceUsage({
      name: podInterface,
      rx_bytes: uint64(traffic.sent.bytes),
      rx_errors: uint64(traffic.sent.errors),
      tx_bytes: uint64(traffic.received.bytes),
      tx_errors: uint64(traffic.received.errors),
    }),
  });
}

function psiStats(pressure: Pressure | undefined): PsiStats | null {
  if (pressure === undefined) return null;
  const data = ({ totalNs, avg10, avg60, avg300 }: Pressure['some']) =>
    newPsiData({ Total: String(totalNs), Avg10: avg10, Avg60: avg60, Avg300: avg300 });
  return newPsiStats({ Full: data(pressure.full), Some: data(pressure.some) });
}
