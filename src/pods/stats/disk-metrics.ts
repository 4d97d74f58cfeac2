import type { FileSystemFacts } from '../../ports/usage-probes.js';
import type { ContainerMetric } from './metered-container.js';
import type { MetricValue } from './metric-definition.js';
import type { LayerUsage } from './writable-layers.js';

/** Usage and size of the file system of the container's writable layer. */
function fileSystemGauge(
  name: string,
  help: string,
  read: (layer: LayerUsage, store: FileSystemFacts) => number,
): ContainerMetric {
  return {
    name,
    help,
    type: 'GAUGE',
    labels: ['device'],
    values: ({ layer, fileSystem }) =>
      layer === undefined || fileSystem === undefined
        ? []
        : [{ value: read(layer, fileSystem), labels: [fileSystem.device] }],
  };
}

function diskCounter(
  name: string,
  help: string,
  key: 'reads' | 'readBytes' | 'writes' | 'writtenBytes',
): ContainerMetric {
  return {
    name,
    help,
    type: 'COUNTER',
    labels: ['device'],
    values: ({ detail, deviceName }) =>
      detail.detail.disks.map((disk) => ({ value: disk[key], labels: [deviceName(disk)] })),
  };
}

/** Metrics of a container's root file system, and of its traffic with disks. */
export const diskMetrics: readonly ContainerMetric[] = [
  fileSystemGauge(
    'container_fs_usage_bytes',
    'What the container has written to its root file system.',
    (layer) => layer.bytes,
  ),
  fileSystemGauge(
    'container_fs_limit_bytes',
    'Size of the disk that the root file system is on.',
    (_, store) => store.capacityBytes,
  ),
  fileSystemGauge(
    'container_fs_inodes_total',
    'Inodes of the disk that the root file system is on.',
    (_, store) => store.inodes,
  ),
  fileSystemGauge(
    'container_fs_inodes_free',
    'Free inodes of the disk that the root file system is on.',
    (_, store) => store.freeInodes,
  ),
  diskCounter('container_fs_reads_total', 'Read requests of the container to a disk.', 'reads'),
  diskCounter(
    'container_fs_reads_bytes_total',
    'Bytes that the container has read from a disk.',
    'readBytes',
  ),
  diskCounter('container_fs_writes_total', 'Write requests of the container to a disk.', 'writes'),
  diskCounter(
    'container_fs_writes_bytes_total',
    'Bytes that the container has written to a disk.',
    'writtenBytes',
  ),
  {
    name: 'container_blkio_device_usage_total',
    help: 'Bytes that the container has moved from and to a disk, by direction.',
    type: 'COUNTER',
    labels: ['device', 'major', 'minor', 'operation'],
    values: ({ detail, deviceName }) =>
      detail.detail.disks.flatMap((disk): MetricValue[] => {
        const device = [deviceName(disk), String(disk.major), String(disk.minor)];
        return [
          { value: disk.readBytes, labels: [...device, 'read'] },
          { value: disk.writtenBytes, labels: [...device, 'write'] },
        ];
      }),
  },
];
