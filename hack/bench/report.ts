import type { RuntimeReport } from './measure.js';
import { listings, operations } from './samples.js';
import type { Summary } from './samples.js';

/** One figure of one runtime: what tables and ratios are made of. */
interface Figure {
  section: string;
  name: string;
  unit: string;
  /** p95 where the figure is a median. */
  of: (report: RuntimeReport) => { value: number; p95?: number };
}

const median = ({ p50Ms, p95Ms }: Summary) => ({ value: p50Ms, p95: p95Ms });

function figures({ inFlight, pods }: { inFlight: number; pods: number }): Figure[] {
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
  const beside = `beside ${pods} idle pods`;
  return [
    ...series('oneAtATime', 'one at a time'),
    ...series('inFlight', `${inFlight} in flight`),
    ...listings.map((name): Figure => ({
      section: beside,
      name,
      unit: 'ms',
      of: (report) => median(report.listings[name]),
    })),
    {
      section: beside,
      name: 'helpers per pod, PSS',
      unit: 'MB',
      of: ({ memory }) => ({ value: memory.helpersPssMbPerPod }),
    },
    { section: beside, name: 'daemon, PSS', unit: 'MB', of: ({ memory }) => ({ value: memory.daemonPssMb }) },
    { section: beside, name: 'daemon, RSS', unit: 'MB', of: ({ memory }) => ({ value: memory.daemonRssMb }) },
  ];
}

export interface Ratio {
  section: string;
  name: string;
  ratio: number;
}

/** Each figure of the first runtime by the second's; none when there is only one. */
export function ratiosOf(
  reports: readonly RuntimeReport[],
  shape: { inFlight: number; pods: number },
): Ratio[] {
  const [own, peer] = reports;
  if (own === undefined || peer === undefined) return [];
  return figures(shape).map(({ section, name, of }) => ({
    section,
    name,
    ratio: of(own).value / of(peer).value,
  }));
}

/** The tables for people: one per section, a column pair per runtime, and the ratio where there are two. */
export function renderReport(
  reports: readonly RuntimeReport[],
  shape: { inFlight: number; pods: number },
): string {
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
      return [value.toFixed(2), p95 === undefined ? '' : p95.toFixed(2)];
    });
    const ratio = ratios[index]?.ratio.toFixed(2);
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

function row(name: string, cells: readonly string[]): string {
  return `${name.padEnd(40)}${cells.map((cell) => cell.padStart(12)).join('')}`.trimEnd();
}
