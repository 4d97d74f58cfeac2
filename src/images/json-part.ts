import { NodeletError } from '../base/errors.js';

export function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new NodeletError('corrupt', `the image's ${what} is not JSON: ${(cause as Error).message}`, {
      field: what,
      remedy: 'push the image again; the registry has it damaged',
      cause,
    });
  }
}

/** A value somewhere in a registry's JSON; `path` names it in errors. */
export class JsonPart {
  constructor(
    private readonly path: string,
    private readonly value: unknown,
  ) {}

  wrong(wanted: string): NodeletError {
    return new NodeletError('corrupt', `the image's ${this.path} must be ${wanted}`, {
      field: this.path,
      remedy: 'push the image again with another tool; nothing of it was kept',
    });
  }

  asObject(): JsonObject {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.wrong('an object');
    return new JsonObject(this.path, value as Record<string, unknown>);
  }

  asText(): string {
    if (typeof this.value !== 'string') throw this.wrong('a text');
    return this.value;
  }

  asList(): JsonPart[] {
    if (!Array.isArray(this.value)) throw this.wrong('a list');
    return this.value.map((item, index) => new JsonPart(`${this.path}[${index}]`, item));
  }

  asSize(): number {
    if (!Number.isSafeInteger(this.value) || (this.value as number) < 0)
      throw this.wrong('a number of bytes');
    return this.value as number;
  }
}

export class JsonObject {
  constructor(
    private readonly path: string,
    private readonly members: Record<string, unknown>,
  ) {}

  /** Whether the member is there and not null, which Go's encoders write for what is empty. */
  has(name: string): boolean {
    return this.members[name] !== undefined && this.members[name] !== null;
  }
  part(name: string): JsonPart {
    return new JsonPart(`${this.path}.${name}`, this.members[name]);
  }
  keys(): string[] {
    return Object.keys(this.members);
  }
  text(name: string): string {
    return this.part(name).asText();
  }
  textOr(name: string, fallback: string): string {
    return this.has(name) ? this.text(name) : fallback;
  }
  flagOr(name: string, fallback: boolean): boolean {
    if (!this.has(name)) return fallback;
    const value = this.members[name];
    if (typeof value !== 'boolean') throw this.part(name).wrong('true or false');
    return value;
  }
  size(name: string): number {
    return this.part(name).asSize();
  }
  list(name: string): JsonPart[] {
    return this.part(name).asList();
  }
  textsOr(name: string): string[] {
    return this.has(name) ? this.list(name).map((part) => part.asText()) : [];
  }
  objectOr(name: string): JsonObject {
    return this.has(name) ? this.part(name).asObject() : new JsonObject(`${this.path}.${name}`, {});
  }
  texts(): Record<string, string> {
    return Object.fromEntries(this.keys().map((key) => [key, this.text(key)]));
  }
}
