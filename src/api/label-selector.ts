import { NodeletError } from '../base/errors.js';

type Labels = Readonly<Record<string, string>>;
/** Whether an object with these labels is meant. */
export type LabelSelector = (labels: Labels | undefined) => boolean;

const requirement =
  /^\s*(?:!\s*(?<absent>[^\s!=(),]+)|(?<key>[^\s!=(),]+)(?:\s*(?<compare>==?|!=)\s*(?<value>[^\s!=(),]*)|\s+(?<among>in|notin)\s*\((?<values>[^()]*)\))?)\s*$/;

/**
 * A label selector as Kubernetes writes it, all of its requirements joined by commas: `app=web`, `tier!=db`,
 * `env in (a,b)`, `env notin (a,b)`, `app`, `!app`. An empty one means everything; `invalid` for anything else.
 */
export function labelSelector(text: string): LabelSelector {
  if (text.trim() === '') return () => true;
  const all = text.split(/,(?![^(]*\))/).map(requirementOf);
  return (labels = {}) => all.every((holds) => holds(labels));
}

function requirementOf(text: string): (labels: Labels) => boolean {
  const parts = requirement.exec(text)?.groups;
  if (parts === undefined)
    throw new NodeletError('invalid', `"${text.trim()}" is no requirement of labels`, {
      field: 'labelSelector',
      remedy: 'write key=value, key!=value, key in (a,b), key notin (a,b), key or !key',
    });
  const { absent, key = '', compare, value = '', among, values = '' } = parts;
  if (absent !== undefined) return (labels) => !Object.hasOwn(labels, absent);
  const wanted = among === undefined ? [value] : values.split(',').map((one) => one.trim());
  const isOneOf = (labels: Labels): boolean =>
    Object.hasOwn(labels, key) && wanted.includes(labels[key] ?? '');
  if (compare === '!=' || among === 'notin') return (labels) => !isOneOf(labels);
  if (compare !== undefined || among !== undefined) return isOneOf;
  return (labels) => Object.hasOwn(labels, key);
}
