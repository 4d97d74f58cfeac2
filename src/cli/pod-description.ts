import type { ContainerStateShape, ContainerStatusShape, EventShape, PodShape } from './kube-shapes.js';
import { ageText, podStatusWord, renderTable } from './pod-table.js';

/** Everything worth knowing of one pod, for people. `nowMs`: milliseconds since the epoch. */
export function describePod(pod: PodShape, events: readonly EventShape[], nowMs: number): string {
  const { metadata, spec, status } = pod;
  const facts: [string, string | undefined][] = [
    ['Name:', metadata.name],
    ['Namespace:', metadata.namespace ?? 'default'],
    ['UID:', metadata.uid],
    ['Node:', spec?.nodeName],
    ['Labels:', pairs(metadata.labels)],
    ['Annotations:', pairs(metadata.annotations)],
    ['Status:', podStatusWord(pod)],
    ['Message:', status?.message],
    ['IP:', status?.podIP],
    ['Started:', status?.startTime],
  ];
  const parts = [renderTable(facts.filter((fact): fact is [string, string] => fact[1] !== undefined))];
  parts.push(containerSection('Init containers', spec?.initContainers ?? [], status?.initContainerStatuses));
  parts.push(containerSection('Containers', spec?.containers ?? [], status?.containerStatuses));
  const conditions = (status?.conditions ?? []).map((one) => [`  ${one.type}`, one.status, one.reason ?? '']);
  if (conditions.length > 0) parts.push('Conditions:\n', renderTable(conditions));
  const mine = events.filter((event) => event.involvedObject?.name === metadata.name);
  parts.push(mine.length === 0 ? 'Events: none\n' : `Events:\n${eventTable(mine, nowMs)}`);
  return parts.join('');
}

type Containers = NonNullable<NonNullable<PodShape['spec']>['containers']>;

function containerSection(
  title: string,
  containers: Containers,
  statuses: ContainerStatusShape[] = [],
): string {
  if (containers.length === 0) return '';
  const sections = containers.map((container) => {
    const status = statuses.find((one) => one.name === container.name);
    const ports = (container.ports ?? []).map((port) => {
      const host = port.hostPort === undefined ? '' : ` (host ${port.hostPort})`;
      return `${port.containerPort}/${port.protocol ?? 'TCP'}${host}`;
    });
    const facts: [string, string | undefined][] = [
      ['    Image:', container.image],
      ['    Container ID:', status?.containerID],
      ['    Command:', words(container.command)],
      ['    Args:', words(container.args)],
      ['    Ports:', ports.length === 0 ? undefined : ports.join(', ')],
      ['    Image ID:', status?.imageID === '' ? undefined : status?.imageID],
      ['    State:', stateText(status?.state)],
      ['    Last state:', emptyState(status?.lastState) ? undefined : stateText(status?.lastState)],
      ['    Ready:', status?.ready === true ? 'true' : 'false'],
      ['    Restarts:', String(status?.restartCount ?? 0)],
    ];
    const given = facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
    return `  ${container.name}:\n${renderTable(given)}`;
  });
  return `${title}:\n${sections.join('')}`;
}

const emptyState = (state: ContainerStateShape = {}): boolean => Object.keys(state).length === 0;

function stateText({ waiting, running, terminated }: ContainerStateShape = {}): string {
  if (running !== undefined) return `Running since ${running.startedAt ?? 'an unknown time'}`;
  if (terminated !== undefined) {
    const reason = terminated.reason ?? (terminated.exitCode === 0 ? 'Completed' : 'Error');
    const [from, to] = [terminated.startedAt, terminated.finishedAt].map((time) => time ?? 'an unknown time');
    return `Terminated: ${reason}, exit code ${terminated.exitCode}, ran from ${from} to ${to}${tail(terminated.message)}`;
  }
  return `Waiting: ${waiting?.reason ?? 'not made yet'}${tail(waiting?.message)}`;
}

function eventTable(events: readonly EventShape[], nowMs: number): string {
  return renderTable([
    ['  TYPE', 'REASON', 'AGE', 'COUNT', 'MESSAGE'],
    ...events.map((event) => [
      `  ${event.type ?? 'Normal'}`,
      event.reason ?? '',
      ageText(event.lastTimestamp ?? event.firstTimestamp, nowMs),
      String(event.count ?? 1),
      event.message ?? '',
    ]),
  ]);
}

const tail = (message: string | undefined): string => (message === undefined ? '' : `: ${message}`);
const words = (list: string[] | undefined): string | undefined =>
  list === undefined ? undefined : list.map((word) => JSON.stringify(word)).join(' ');

function pairs(map: Record<string, string> | undefined): string | undefined {
  const entries = Object.entries(map ?? {});
  return entries.length === 0 ? undefined : entries.map(([key, value]) => `${key}=${value}`).join(', ');
}
