import fs from 'node:fs';
import path from 'node:path';

export const verdictNames = ['honoured', 'refused', 'not-applicable'] as const;
type VerdictName = (typeof verdictNames)[number];

/** One row of a verdict table: what nodelet does with a rpc or a field of a request. */
export interface Verdict {
  /** `rpc Name` or `Message.field`. */
  subject: string;
  verdict: VerdictName;
  sentence: string;
  /** Tests that show it; a field that is not applicable may have none. */
  tests: TestName[];
  /** `file:line` of the row. */
  where: string;
}

export interface TestName {
  file: string;
  /** A part of the title. */
  title: string;
}

/** The rows of all `*.tsv` in a folder, and what is wrong with their form. */
export function readVerdicts(dir: string): { verdicts: Verdict[]; problems: string[] } {
  const verdicts: Verdict[] = [];
  const problems: string[] = [];
  const tables = fs.readdirSync(dir).filter((name) => name.endsWith('.tsv'));
  for (const table of tables.sort()) {
    const lines = fs.readFileSync(path.join(dir, table), 'utf8').split('\n');
    for (const [index, line] of lines.entries()) {
      if (line === '' || line.startsWith('#')) continue;
      const where = `${table}:${index + 1}`;
      const verdict = parseRow(line, where);
      if (typeof verdict === 'string') problems.push(`${where}: ${verdict}`);
      else verdicts.push(verdict);
    }
  }
  return { verdicts, problems };
}

function parseRow(line: string, where: string): Verdict | string {
  const cells = line.split('\t').map((cell) => cell.trim());
  const [subject = '', name = '', sentence = '', tests = ''] = cells;
  if (cells.length > 4) return 'has more than four columns';
  const verdict = verdictNames.find((known) => known === name);
  if (verdict === undefined) return `"${name}" is none of ${verdictNames.join(', ')}`;
  if (sentence === '') return `${subject} has no sentence that says what happens`;
  const named = tests
    .split(/;\s*(?=test\/)/)
    .filter((each) => each !== '')
    .map((each) => {
      const [file = '', ...title] = each.split(': ');
      return { file, title: title.join(': ').trim() };
    });
  if (named.some(({ title }) => title === '')) return `${subject} names a test file without a title`;
  if (named.length === 0 && verdict !== 'not-applicable') return `${subject} names no test`;
  return { subject, verdict, sentence, tests: named, where };
}
