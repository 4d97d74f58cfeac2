import type { Metric, MetricDescriptor, MetricType } from '../../ports/cri/messages.js';
import { newMetric, newMetricDescriptor } from '../../ports/cri/messages.js';

/** Labels that every metric bears, in the order of their values: the peers' three, then those that dashboards of clusters select by. */
export const baseLabels = ['id', 'name', 'image', 'namespace', 'pod', 'container'] as const;
export type BaseLabels = Record<(typeof baseLabels)[number], string>;

/** One value of a metric: a number in the unit of the metric's name, fractions included, and the values of its own labels. */
export interface MetricValue {
  value: number;
  labels?: readonly string[];
}

/** A metric of a kind of subject: what it is called, and how its values are read from the subject. */
export interface MetricDefinition<Subject> {
  name: string;
  help: string;
  type: MetricType;
  /** Labels beyond those that every metric bears. */
  labels: readonly string[];
  /** None where the machine or the subject has nothing to tell. */
  values: (subject: Subject) => readonly MetricValue[];
}

type Read<Subject> = (subject: Subject) => number | undefined;

export function counter<Subject>(name: string, help: string, read: Read<Subject>): MetricDefinition<Subject> {
  return plain('COUNTER', { name, help }, read);
}

export function gauge<Subject>(name: string, help: string, read: Read<Subject>): MetricDefinition<Subject> {
  return plain('GAUGE', { name, help }, read);
}

function plain<Subject>(
  type: MetricType,
  words: { name: string; help: string },
  read: Read<Subject>,
): MetricDefinition<Subject> {
  const values = (subject: Subject) => {
    const value = read(subject);
    return value === undefined ? [] : [{ value }];
  };
  return { ...words, type, labels: [], values };
}

export function describeMetric({ name, help, labels }: MetricDefinition<never>): MetricDescriptor {
  return newMetricDescriptor({ name, help, label_keys: [...baseLabels, ...labels] });
}

/** All values of all these metrics as CRI has them. It knows whole numbers only, so that a fraction of a second is cut off, as in the peers. */
export function metricsOf<Subject>(
  definitions: readonly MetricDefinition<Subject>[],
  about: { subject: Subject; labels: BaseLabels; timestampNs: string },
): Metric[] {
  const base = baseLabels.map((label) => about.labels[label]);
  return definitions.flatMap(({ name, type, values }) =>
    values(about.subject).map(({ value, labels = [] }) =>
      newMetric({
        name,
        timestamp: about.timestampNs,
        metric_type: type,
        label_values: labels.length === 0 ? base : [...base, ...labels],
        value: { value: String(Math.floor(value)) },
      }),
    ),
  );
}
