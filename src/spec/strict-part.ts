import { NodeletError } from '../base/errors.js';

/** A value somewhere in a parsed file; its path names it in errors, and keys that nobody knows are refused. */
export class StrictPart {
  constructor(
    private readonly value: unknown,
    private readonly file: string,
    private readonly at = '',
  ) {}

  /** File and place in it, `a.yaml: devices[0].name`. */
  get path(): string {
    return this.at === '' ? this.file : `${this.file}: ${this.at}`;
  }

  /** False for what is absent or null. */
  get isThere(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  wrong(wanted: string): NodeletError {
    return new NodeletError('invalid', `${this.path} must be ${wanted}`);
  }

  member(key: string): StrictPart {
    const members = this.isThere ? this.members() : {};
    const value = Object.hasOwn(members, key) ? members[key] : undefined;
    return new StrictPart(value, this.file, this.at === '' ? key : `${this.at}.${key}`);
  }

  /** Members in order; none where the map is absent. */
  entries(): [key: string, part: StrictPart][] {
    return this.isThere ? Object.keys(this.members()).map((key) => [key, this.member(key)]) : [];
  }

  onlyKeys(...known: string[]): void {
    const unknown = this.entries().find(([key]) => !known.includes(key));
    if (unknown !== undefined) throw unknown[1].wrong(`left out: known are ${known.join(', ')}`);
  }

  /** Items; none where the list is absent. */
  list(): StrictPart[] {
    if (!this.isThere) return [];
    if (!Array.isArray(this.value)) throw this.wrong('a list');
    return this.value.map((item, index) => new StrictPart(item, this.file, `${this.at}[${index}]`));
  }

  text(): string {
    if (typeof this.value !== 'string' || this.value === '') throw this.wrong('a text');
    return this.value;
  }

  textOr(fallback: string): string {
    return this.isThere && this.value !== '' ? this.text() : fallback;
  }

  texts(): string[] {
    return this.list().map((part) => part.text());
  }

  absolutePath(): string {
    const text = this.text();
    if (!text.startsWith('/') || text.includes('\0')) throw this.wrong('an absolute path');
    return text;
  }

  /** A whole number from 0 on. */
  count(): number {
    if (!Number.isSafeInteger(this.value) || Number(this.value) < 0)
      throw this.wrong('a whole number from 0 on');
    return this.value as number;
  }

  truth(): boolean {
    if (typeof this.value !== 'boolean') throw this.wrong('true or false');
    return this.value;
  }

  private members(): Record<string, unknown> {
    if (typeof this.value !== 'object' || Array.isArray(this.value)) throw this.wrong('a map');
    return this.value as Record<string, unknown>;
  }
}
