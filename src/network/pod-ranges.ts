import { NodeletError } from '../base/errors.js';
import type { RecordStore } from '../ports/record-store.js';
import type { Subnet } from './subnet.js';
import { overlap, parseSubnet, subnetText } from './subnet.js';

const cidrField = 'runtime_config.network_config.pod_cidr';

/** Where pods' addresses come from: the configured subnet, until a cluster assigns the node a range. */
export class PodRanges {
  private readonly assigned;

  constructor(
    store: RecordStore,
    private readonly configured: string,
  ) {
    this.assigned = store.table<string>('network-range');
  }

  /** The range that new pods get addresses from. */
  get current(): Subnet {
    return parseSubnet(this.text, 'network.subnet');
  }

  get text(): string {
    return subnetText(parseSubnet(this.assigned.get('assigned') ?? this.configured, 'network.subnet'));
  }

  /** The ranges that attached pods have addresses of, each once; without a text, of the configured subnet. */
  held(texts: readonly (string | undefined)[]): Subnet[] {
    return [...new Set(texts.map((text) => text ?? this.configured))].map((text) =>
      parseSubnet(text, 'network.subnet'),
    );
  }

  /** Those and the current one, which comes first. */
  inUse(texts: readonly (string | undefined)[]): Subnet[] {
    return this.held([this.text, ...texts]);
  }

  /** Keeps the range for good; undefined: the configured one from now on. */
  async assign(text: string | undefined): Promise<void> {
    if (text === undefined) await this.assigned.remove('assigned');
    else await this.assigned.put('assigned', text);
  }

  /** What was assigned; undefined where the configured subnet is used. */
  get assignedText(): string | undefined {
    return this.assigned.get('assigned');
  }
}

/** A range as CRI's pod_cidr names it, brought to its plain form; `unsupported` or `invalid` where it can't be had. */
export function podCidr(given: string): Subnet {
  const [text = '', ...others] = given.split(',').map((each) => each.trim());
  if (others.length > 0 || text.includes(':')) {
    const what = others.length > 0 ? 'more than one range' : 'an IPv6 range';
    throw new NodeletError('unsupported', `"${given}" is ${what}: pods have one IPv4 address each`, {
      field: cidrField,
      remedy: 'give the node one IPv4 range, for example 10.244.1.0/24',
    });
  }
  return parseSubnet(text, cidrField);
}

/** Two ranges of which one holds the other's addresses can't be told apart by their gateways. */
export function refuseOverlap(wanted: Subnet, held: readonly Subnet[]): void {
  const clash = held.find((range) => overlap(range, wanted) && subnetText(range) !== subnetText(wanted));
  if (clash === undefined) return;
  throw new NodeletError(
    'wrong-state',
    `${subnetText(wanted)} overlaps ${subnetText(clash)}, which pods have addresses of`,
    { field: cidrField, remedy: 'remove those pods first, or choose another range' },
  );
}
