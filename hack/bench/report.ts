import type { RuntimeReport } from './measure.js';
import { groups } from './options.js';
import type { BenchOptions, Group } from './options.js';
import type { CyclesReport } from './pod-cycles.js';
import { execs, flows, listings, operations } from './samples.js';
import type { Summary } from './samples.js';

/** One figure of one runtime: what tables and ratios are made of. */
interface Figure {
  section: string;
  name: string;
  unit: string;
  /** p95 where the figure is a median; the value is NaN where the runtime has no such call. */
  of: (report: RuntimeReport) => { value: number; p95?: number };
}

const measured = (summary: Summary | undefined) =>
  summary === undefined ? { value: Number.NaN } : { value: summary.p50Ms, p95: summary.p95Ms };
const single = (value: number | undefined) => ({ value: value ?? Number.NaN });

/** What of a run's options its tables depend on. */
type RunShape = Pick<BenchOptions, 'only' | 'inFlight' | 'pods'>;

function figures({ only, inFlight, pods }: RunShape): Figure[] {
  const of: Record<Group, () => Figure[]> = {
    cycles: () => [
      ...cycleFigures('oneAtATime', 'one at a time'),
      ...cycleFigures('inFlight', `${inFlight} in flight`),
    ],
    execs: execFigures,
    streams: streamFigures,
    lists: () => listFigures(pods),
  };
  return groups.filter((group) => only.includes(group)).flatMap((group) => of[group]());
}

function cycleFigures(key: keyof CyclesReport, section: string): Figure[] {
  return [
    ...operations.map((name): Figure => ({
      section,
      name,
      unit: 'ms',
      of: ({ cycles }) => measured(cycles?.[key].operations[name]),
    })),
    {
      section,
      name: 'cycles per second',
      unit: '',
      of: ({ cycles }) => single(cycles?.[key].cyclesPerSecond),
    },
  ];
}

function execFigures(): Figure[] {
  return execs.map((name) => ({
    section: '`true` in an idle pod',
    name,
    unit: 'ms',
    of: (report) => measured(report.execs?.execs[name]),
  }));
}

function streamFigures(): Figure[] {
  return [
    ...flows.map((name): Figure => ({
      section: 'bytes through streams',
      name,
      unit: 'MB/s',
      of: ({ streams }) => single(streams?.flows[name].mbPerSecond),
    })),
    {
      section: 'a forwarded connection',
      name: 'connect, and a byte there and back',
      unit: 'ms',
      of: ({ streams }) => measured(streams?.connecting),
    },
    ...flows.map((name): Figure => ({
      section: "growth of the daemon's memory meanwhile",
      name,
      unit: 'MB',
      of: ({ streams }) => single(streams?.flows[name].growthMb),
    })),
  ];
}

function listFigures(pods: readonly number[]): Figure[] {
  const beside = (count: number | undefined) => `beside ${count ?? 0} idle pods`;
  const memory = {
    'helpers per pod, PSS': 'helpersPssMbPerPod',
    'daemon, PSS': 'daemonPssMb',
    'daemon, RSS': 'daemonRssMb',
  } as const;
  return [
    ...pods.flatMap((count) =>
      listings.map((name): Figure => ({
        section: beside(count),
        name,
        unit: 'ms',
        of: ({ lists }) => measured(lists?.listings.find((idle) => idle.pods === count)?.listings[name]),
      })),
    ),
    ...Object.entries(memory).map(([name, key]): Figure => ({
      section: `memory ${beside(pods[0])}`,
      name,
      unit: 'MB',
      of: ({ lists }) => single(lists?.memory[key]),
    })),
  ];
}

export interface Ratio {
  section: string;
  name: string;
  ratio: number;
}

/** Each figure of the first runtime by the second's; none when there is only one. */
export function ratiosOf(reports: readonly RuntimeReport[], shape: RunShape): Ratio[] {
  const [own, peer] = reports;
  if (own === undefined || peer === undefined) return [];
  return figures(shape).map(({ section, name, of }) => ({
    section,
    name,
    ratio: of(own).value / of(peer).value,
  }));
}

/** The tables for people: one per section, a column pair per runtime, and the ratio where there are two. */
export function renderReport(reports: readonly RuntimeReport[], shape: RunShape): string {
  const ratios = ratiosOf(reports, shape);
  const lines = reports.map(({ name, version }) => `${name}: ${version}`);
  let section = '';
  for (const [index, figure] of figures(shape).entries()) {
    if (figure.section !== section) {
      section = figure.section;
      const heads = reports.flatMap(({ name }) => [name, 'p95']);
      lines.push('', row(section, [...heads, ...(ratios.length === 0 ? [] : ['ratio'])]));
    }
    const cells = reports.flatMap((report) => {
      const { value, p95 } = figure.of(report);
      return [shown(value), p95 === undefined ? '' : shown(p95)];
    });
    const ratio = ratios[index] && shown(ratios[index].ratio);
    const name = figure.unit === '' ? figure.name : `${figure.name} (${figure.unit})`;
    lines.push(row(`  ${name}`, [...cells, ...(ratio === undefined ? [] : [ratio])]));
  }
  lines.push('');
  for (const { name, lists } of reports) {
    if (lists === undefined) continue;
    const parts = Object.entries(lists.memory.helpers).map(
      ([helper, { processesPerPod, pssMbPerPod }]) =>
        `${processesPerPod.toFixed(1)} ${helper} of together ${pssMbPerPod.toFixed(2)} MB`,
    );
    lines.push(`helpers of ${name} per pod: ${parts.join(', ')}`);
  }
  return lines.join('\n');
}

/** A call that a runtime lacks has no figure, and what has not grown at all is no measure. */
const shown = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : 'n/a');

function row(name: string, cells: readonly string[]): string {
  return `${name.padEnd(40)}${cells.map((cell) => cell.padStart(12)).join('')}`.trimEnd();
}
