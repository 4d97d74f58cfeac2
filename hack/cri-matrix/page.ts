import type { Field, RequestInterface } from './interface-table.js';
import type { Verdict } from './verdicts.js';

/** The matrix as a page: each rpc with the fields of its request, then the messages that requests carry. */
export function pageOf(asked: RequestInterface, verdicts: readonly Verdict[]): string {
  const rowOf = new Map(verdicts.map((verdict) => [verdict.subject, verdict]));
  const tally = (name: string) => verdicts.filter(({ verdict }) => verdict === name).length;
  const fieldRows = (fields: readonly Field[]): string[] =>
    fields.map(({ message, name, type }) =>
      row([`\`${name}\``, linked(type, asked), ...cells(rowOf.get(`${message}.${name}`))]),
    );
  const requests = new Set(asked.rpcs.map(({ request }) => request));
  const lines = [
    '# CRI v1, rpc by rpc and field by field',
    '',
    '<!-- Written by `npm run matrix` from the interface and docs/cri/*.tsv: edit those. -->',
    '',
    `${asked.rpcs.length} rpcs, ${[...asked.messages.values()].flat().length} fields that a request can carry:`,
    `${tally('honoured')} rows say honoured, ${tally('refused')} refused, ${tally('not-applicable')} not applicable.`,
    '',
    '- **honoured**: it does what CRI says; values that are refused are named.',
    '- **refused**: a request that sets it is answered with the error that is given, which names the field.',
    '- **not applicable**: it has no meaning on this machine or in this runtime; the sentence says why.',
    '',
    'The last column is the test that shows it, by a part of its title.',
  ];
  for (const service of new Set(asked.rpcs.map((rpc) => rpc.service))) {
    lines.push('', `## ${service}`, '');
    lines.push(row(['rpc', 'verdict', 'what it does', 'test']), row(['---', '---', '---', '---']));
    for (const { name } of asked.rpcs.filter((rpc) => rpc.service === service)) {
      lines.push(row([`\`${name}\``, ...cells(rowOf.get(`rpc ${name}`))]));
    }
  }
  for (const [title, isWanted] of [
    ['Requests', (message: string) => requests.has(message)],
    ['Messages in requests', (message: string) => !requests.has(message)],
  ] as const) {
    lines.push('', `## ${title}`);
    for (const [message, fields] of asked.messages) {
      if (!isWanted(message) || fields.length === 0) continue;
      lines.push('', `### ${message}`, '');
      lines.push(
        row(['field', 'type', 'verdict', 'what is done with it', 'test']),
        row(['---', '---', '---', '---', '---']),
        ...fieldRows(fields),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

const row = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`;

function cells(verdict: Verdict | undefined): string[] {
  if (verdict === undefined) return ['', '', ''];
  const tests = verdict.tests.map(({ file, title }) => `[${escaped(title)}](../${file})`);
  return [verdict.verdict.replace('-', ' '), escaped(verdict.sentence), tests.join('; ')];
}

/** A message's name leads to its table on the page. */
function linked(type: string, { messages }: RequestInterface): string {
  return messages.has(type) ? `[${type}](#${type.toLowerCase()})` : escaped(type);
}

const escaped = (text: string): string => text.replace(/[|<>[\]*_\\]/g, '\\$&');
