import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import type { Node, YAMLMap } from 'yaml';
import { NodeletError } from '../../base/errors.js';

/** What is wrong with a value, or undefined. */
export type Rule = (value: unknown) => string | undefined;

export const text: Rule = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'must be a text';
export const truth: Rule = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
export const absolutePath: Rule = (value) =>
  typeof value === 'string' && value.startsWith('/') ? undefined : 'must be an absolute path';
export type Path = readonly (string | number)[];

/** One YAML document whose complaints name file, line and key. */
export class ConfigReader {
  readonly root: YAMLMap | undefined;
  private readonly lines = new LineCounter();

  constructor(
    content: string,
    private readonly fileName: string,
  ) {
    const document = parseDocument(content, { lineCounter: this.lines });
    const [error] = document.errors;
    if (error !== undefined) {
      const line = this.lines.linePos(error.pos[0]).line;
      throw new NodeletError('invalid', `${fileName}:${line}: ${error.message.split('\n')[0] ?? ''}`);
    }
    const contents: unknown = document.contents;
    const empty = contents === null || (isScalar(contents) && contents.value === null);
    this.root = empty ? undefined : this.mapAt(contents, []);
  }

  /** Keys and values of a map; a key outside of `known` is refused. */
  entries(map: YAMLMap, path: Path, known?: readonly string[]): [string, unknown][] {
    return map.items.map(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : String(key);
      if (known !== undefined && !known.includes(name)) {
        this.fail([...path, name], `unknown key; known are: ${known.join(', ')}`, key);
      }
      return [name, value];
    });
  }

  /** A map of plain values, each held against its rule. */
  checked(
    map: YAMLMap,
    path: Path,
    wanted: Record<string, Rule>,
    required: string[] = [],
  ): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (const [key, node] of this.entries(map, path, Object.keys(wanted))) {
      found[key] = this.value(node, [...path, key], wanted[key] ?? text);
    }
    for (const key of required) if (!(key in found)) this.fail([...path, key], 'is required', map);
    return found;
  }

  value(node: unknown, path: Path, rule: Rule): unknown {
    const value = isScalar(node) ? node.value : undefined;
    const problem = rule(value);
    if (problem !== undefined) this.fail(path, problem, node);
    return value;
  }

  mapAt(node: unknown, path: Path): YAMLMap {
    return isMap(node) ? node : this.fail(path, 'must be a map of keys', node);
  }

  listAt(node: unknown, path: Path): unknown[] {
    const items = (node as { items?: unknown } | null)?.items;
    return Array.isArray(items) && !isMap(node) ? items : this.fail(path, 'must be a list', node);
  }

  fail(path: Path, problem: string, node?: unknown): never {
    const offset = (node as Node | null | undefined)?.range?.[0];
    const where =
      offset === undefined ? this.fileName : `${this.fileName}:${this.lines.linePos(offset).line}`;
    const field = path.length === 0 ? {} : { field: path.join('.') };
    throw new NodeletError('invalid', `${problem} (${where})`, field);
  }
}
