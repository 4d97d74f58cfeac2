import type { RuntimeReport } from './measure.js';
import { listings, operations } from './samples.js';
import type { Summary } from './samples.js';

/** One figure of one runtime: what tables and ratios are made of. */
interface Figure {
  section: string;
  name: string;
  unit: string;
  /** p95 where the figure is a median; the value is NaN where the runtime has no such call. */
  of: (report: RuntimeReport) => { value: number; p95?: number };
}

const median = ({ p50Ms, p95Ms }: Summary) => ({ value: p50Ms, p95: p95Ms });

/** What of a run's options its tables depend on. */
interface RunShape {
  inFlight: number;
  pods: readonly number[];
}

function figures({ inFlight, pods }: RunShape): Figure[] {
  const series = (key: 'oneAtATime' | 'inFlight', section: string): Figure[] => [
    ...operations.map((name): Figure => ({
      section,
      name,
      unit: 'ms',
      of: (report) => median(report[key].operations[name]),
    })),
    {
      section,
      name: 'cycles per second',
      unit: '',
      of: (report) => ({ value: report[key].cyclesPerSecond }),
    },
  ];
  const beside = (count: number | undefined) => `beside ${count ?? 0} idle pods`;
  const memory = `memory ${beside(pods[0])}`;
  return [
    ...series('oneAtATime', 'one at a time'),
    ...series('inFlight', `${inFlight} in flight`),
    ...pods.flatMap((count) =>
      listings.map((name): Figure => ({
        section: beside(count),
        name,
        unit: 'ms',
        of: (report) => {
          const found = report.listings.find((idle) => idle.pods === count);
          return found === undefined ? { value: Number.NaN } : median(found.listings[name]);
        },
      })),
    ),
    {
      section: memory,
      name: 'helpers per pod, PSS',
      unit: 'MB',
      of: (report) => ({ value: report.memory.helpersPssMbPerPod }),
    },
    {
      section: memory,
      name: 'daemon, PSS',
      unit: 'MB',
      of: (report) => ({ value: report.memory.daemonPssMb }),
    },
    {
      section: memory,
      name: 'daemon, RSS',
      unit: 'MB',
      of: (report) => ({ value: report.memory.daemonRssMb }),
    },
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
  for (const { name, memory } of reports) {
    const parts = Object.entries(memory.helpers).map(
      ([helper, { processesPerPod, pssMbPerPod }]) =>
        `${processesPerPod.toFixed(1)} ${helper} of together ${pssMbPerPod.toFixed(2)} MB`,
    );
    lines.push(`helpers of ${name} per pod: ${parts.join(', ')}`);
  }
  return lines.join('\n');
}

/** A call that a runtime lacks has no figure. */
const shown = (value: number): string => (Number.isNaN(value) ? 'n/a' : value.toFixed(2));

function row(name: string, cells: readonly string[]): string {
  return `${name.padEnd(40)}${cells.map((cell) => cell.padStart(12)).join('')}`.trimEnd();
}
