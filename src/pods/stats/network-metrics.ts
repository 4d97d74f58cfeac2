import type { LinkTraffic, TrafficCounters } from '../../ports/links.js';
import type { MetricDefinition } from './metric-definition.js';
import { podInterface } from './stats-messages.js';

const directions = [
  // What the host's end of the link has sent, the pod has received.
  { word: 'receive', verb: 'received', of: ({ sent }: LinkTraffic) => sent },
  { word: 'transmit', verb: 'sent', of: ({ received }: LinkTraffic) => received },
] as const;
const counts: { suffix: string; help: string; key: keyof TrafficCounters }[] = [
  { suffix: 'bytes', help: 'Bytes that the pod has', key: 'bytes' },
  { suffix: 'packets', help: 'Packets that the pod has', key: 'packets' },
  { suffix: 'packets_dropped', help: 'Packets that were dropped instead of being', key: 'dropped' },
  { suffix: 'errors', help: 'Packets that were damaged when they should have been', key: 'errors' },
];

/** The metrics of a pod's interface, read from the host's end of its link. */
export const networkMetrics: readonly MetricDefinition<LinkTraffic>[] = directions.flatMap(
  ({ word, verb, of }) =>
    counts.map(({ suffix, help, key }) => ({
      name: `container_network_${word}_${suffix}_total`,
      help: `${help} ${verb}.`,
      type: 'COUNTER' as const,
      labels: ['interface'],
      values: (traffic: LinkTraffic) => [{ value: of(traffic)[key], labels: [podInterface] }],
    })),
);
