import fs from 'node:fs';
import path from 'node:path';
import type { RequestInterface } from './interface-table.js';
import { subjectsOf } from './interface-table.js';
import type { Verdict } from './verdicts.js';

/** What is wrong with the rows as a whole, one line each: missing, double, about nothing, or shown by no test. */
export function problemsOf(asked: RequestInterface, verdicts: readonly Verdict[], rootDir: string): string[] {
  const subjects = new Set(subjectsOf(asked));
  const problems: string[] = [];
  const rowOf = new Map<string, Verdict>();
  for (const verdict of verdicts) {
    const { subject, where } = verdict;
    const other = rowOf.get(subject);
    if (!subjects.has(subject)) problems.push(`${where}: no request has ${subject}`);
    if (other !== undefined) problems.push(`${where}: ${subject} has a row in ${other.where} already`);
    rowOf.set(subject, verdict);
    for (const { file, title } of verdict.tests) {
      if (!titlesIn(path.join(rootDir, file)).some((known) => known.includes(squeezed(title)))) {
        problems.push(`${where}: ${file} has no test "${title}"`);
      }
    }
  }
  for (const subject of subjects) {
    if (!rowOf.has(subject)) problems.push(`${subject} has no row`);
  }
  return problems;
}

const titlesByFile = new Map<string, string[]>();

/** Titles of the `describe`s and `it`s of a test file, as its source has them; none where there is no such file. */
export function titlesIn(file: string): string[] {
  const known = titlesByFile.get(file);
  if (known !== undefined) return known;
  const source = fs.existsSync(file) && file.endsWith('.test.ts') ? fs.readFileSync(file, 'utf8') : '';
  const titles = [...source.matchAll(/\b(?:it|describe)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)].map((match) =>
    squeezed((match[2] ?? '').replace(/\\(.)/g, '$1')),
  );
  titlesByFile.set(file, titles);
  return titles;
}

export const squeezed = (text: string): string => text.replace(/\s+/g, ' ');
