import type { Document } from 'yaml';
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseAllDocuments } from 'yaml';
import { NodeletError } from '../../base/errors.js';
import type { PodManifest } from './pod-types.js';
import type { FieldPath, FieldProblem } from './pod-validate.js';
import { fieldName, validatePod, withDefaults } from './pod-validate.js';

/** The largest manifest that is read, bytes: thousands of pods, and less than two seconds of a slow machine's time. */
export const manifestMaxBytes = 512 * 1024;
/** More open brackets, or list marks in one line, than this have another purpose than to say something. */
const maxNesting = 200;

export interface ManifestProblem {
  kind: 'invalid' | 'unsupported';
  file: string;
  /** 1-based. */
  line: number;
  /** Empty when it is about the document itself. */
  field: string;
  message: string;
}

export interface ParsedManifest {
  pods: PodManifest[];
  problems: ManifestProblem[];
}

/** One line for people: `web.yaml:7: spec.containers[0].image: is required`. */
export function describeProblem(problem: ManifestProblem): string {
  const field = problem.field === '' ? '' : `${problem.field}: `;
  return `${problem.file}:${problem.line}: ${field}${problem.message}`;
}

/** All problems as one error: `unsupported` when nothing but unsupported fields stands in the way, else `invalid`. */
export function manifestError(problems: readonly ManifestProblem[]): NodeletError {
  const kind = problems.every((problem) => problem.kind === 'unsupported') ? 'unsupported' : 'invalid';
  const first = problems[0];
  return new NodeletError(
    kind,
    problems.map(describeProblem).join('\n'),
    problems.length === 1 && first !== undefined && first.field !== '' ? { field: first.field } : {},
  );
}

/**
 * Reads the Pods of a manifest: YAML or JSON, several documents, and `List`s of Pods. Every problem is gathered with its
 * line; documents without problems come back as pods all the same, so that the caller decides.
 */
export function parseManifest(text: string, file: string): ParsedManifest {
  const lines = new LineCounter();
  const result: ParsedManifest = { pods: [], problems: [] };
  const unfit = unfitText(text);
  if (unfit !== undefined)
    return { pods: [], problems: [{ kind: 'invalid', file, line: 1, field: '', message: unfit }] };
  const places = new Set<string>();
  const documents = parseAllDocuments(text, { lineCounter: lines, merge: true, uniqueKeys: true });
  for (const document of Array.isArray(documents) ? documents : []) {
    const report = (found: FieldProblem): void => {
      result.problems.push({
        kind: found.kind,
        file,
        line: lineOf(document, found.path, lines),
        field: fieldName(found.path),
        message: found.message,
      });
    };
    // The first error is the one to put right: those after it are often its consequence.
    const [error] = document.errors;
    if (error !== undefined) {
      const start = error.pos[0];
      const twice = error.code === 'DUPLICATE_KEY';
      result.problems.push({
        kind: 'invalid',
        file,
        line: lines.linePos(start).line,
        field: twice ? (/^["']?([^\s:"']+)/.exec(text.slice(start))?.[1] ?? '') : '',
        message: twice
          ? 'is there twice in its map'
          : `is not YAML: ${error.message.split(/ at line |\n/)[0] ?? ''}`,
      });
      continue;
    }
    const [warning] = document.warnings;
    if (warning?.code === 'TAG_RESOLVE_FAILED') {
      const line = lines.linePos(warning.pos[0]).line;
      const message = `has a tag that means nothing here: ${warning.message.split(/ at line |\n/)[0] ?? ''}`;
      result.problems.push({ kind: 'invalid', file, line, field: '', message });
      continue;
    }
    let content: unknown;
    try {
      content = document.toJS({ maxAliasCount: 100 });
    } catch (thrown) {
      report({ kind: 'invalid', path: [], message: `is not YAML: ${String(thrown)}` });
      continue;
    }
    if (content === null || content === undefined) continue;
    for (const { value, path } of items(content, [], report)) {
      const problems = validatePod(value);
      for (const problem of problems) report({ ...problem, path: [...path, ...problem.path] });
      if (problems.length > 0) continue;
      const pod = withDefaults(value);
      const place = `${pod.metadata.namespace}/${pod.metadata.name}`;
      if (places.has(place))
        report({
          kind: 'invalid',
          path: [...path, 'metadata', 'name'],
          message: `pod ${place} is in this manifest twice`,
        });
      else result.pods.push(pod);
      places.add(place);
    }
  }
  if (result.pods.length === 0 && result.problems.length === 0)
    result.problems.push({ kind: 'invalid', file, line: 1, field: '', message: 'has no Pod in it' });
  return result;
}

/** What keeps a text from being parsed at all: the parser would take minutes, or all of the stack, for some. */
function unfitText(text: string): string | undefined {
  if (Buffer.byteLength(text) > manifestMaxBytes)
    return `is larger than a manifest may be: ${manifestMaxBytes} bytes`;
  let depth = 0;
  for (const mark of text.matchAll(/[[{]|[\]}]/g)) {
    depth = Math.max(0, depth + ('[{'.includes(mark[0]) ? 1 : -1));
    if (depth > maxNesting) return 'is nested more deeply than any manifest';
  }
  return new RegExp(`([-?] ){${maxNesting}}`).test(text)
    ? 'is nested more deeply than any manifest'
    : undefined;
}

type Report = (found: FieldProblem) => void;

function items(content: unknown, path: FieldPath, report: Report): { value: unknown; path: FieldPath }[] {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    report({
      kind: 'invalid',
      path,
      message: 'is not a Kubernetes object: a map with apiVersion and kind was expected',
    });
    return [];
  }
  const { kind, apiVersion, items: entries } = content as Record<string, unknown>;
  if (kind === 'List' || kind === 'PodList') {
    if (apiVersion !== 'v1')
      report({ kind: 'invalid', path: [...path, 'apiVersion'], message: 'must be v1' });
    for (const name of Object.keys(content))
      if (!['kind', 'apiVersion', 'items', 'metadata'].includes(name))
        report({ kind: 'invalid', path: [...path, name], message: 'is not a field of a List' });
    if (Array.isArray(entries))
      return entries.flatMap((entry: unknown, index) => items(entry, [...path, 'items', index], report));
    report({ kind: 'invalid', path: [...path, 'items'], message: 'must be a list' });
    return [];
  }
  if (typeof kind === 'string' && kind !== 'Pod') {
    report({
      kind: 'unsupported',
      path: [...path, 'kind'],
      message: `is ${kind}: nodelet runs Pods and takes no other kind`,
    });
    return [];
  }
  return [{ value: content, path }];
}

/** Line of the deepest node that exists on the path: for a missing field that is its parent. */
function lineOf(document: Document, path: FieldPath, lines: LineCounter): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? document.range?.[0] ?? 0;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (pair === undefined) break;
      if (isNode(pair.key) && pair.key.range) offset = pair.key.range[0];
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      if (isNode(node) && node.range) offset = node.range[0];
    } else break;
  }
  return lines.linePos(offset).line;
}
