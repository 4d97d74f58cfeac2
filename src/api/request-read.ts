import type { IncomingMessage } from 'node:http';
import { NodeletError } from '../base/errors.js';
import { manifestError, parseManifest } from '../spec/manifests/manifest-parse.js';
import type { ManifestText } from '../spec/manifests/manifest-set.js';
import type { PodManifest } from '../spec/manifests/pod-types.js';

const maxBodyBytes = 16 * 1024 * 1024;

/** Whole body as text; `exhausted` beyond 16 MiB. */
export async function bodyText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBodyBytes)
      throw new NodeletError('exhausted', `the body is larger than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The one Pod of a body (JSON or YAML) whose namespace and name must agree with the path's. */
export async function bodyPod(
  request: IncomingMessage,
  path: { namespace: string; name?: string },
): Promise<PodManifest> {
  const { pods, problems } = parseManifest(await bodyText(request), 'body');
  if (problems.length > 0) throw manifestError(problems);
  const [pod, ...more] = pods;
  if (pod === undefined || more.length > 0) throw new NodeletError('invalid', 'the body must be one Pod');
  // A body without a namespace goes where the path says; the parser has filled in the default.
  const { metadata } = pod;
  if (metadata.namespace === 'default') metadata.namespace = path.namespace;
  if (metadata.namespace !== path.namespace)
    throw new NodeletError('invalid', `is ${metadata.namespace}, but the path says ${path.namespace}`, {
      field: 'metadata.namespace',
    });
  if (path.name !== undefined && metadata.name !== path.name)
    throw new NodeletError('invalid', `is ${metadata.name}, but the path says ${path.name}`, {
      field: 'metadata.name',
    });
  return pod;
}

/** The manifests of an apply: `{"manifests": [{"source": "web.yaml", "text": "..."}]}`. */
export async function bodyManifests(request: IncomingMessage): Promise<ManifestText[]> {
  const { manifests } = jsonObject(await bodyText(request));
  const isText = (entry: unknown): entry is ManifestText => {
    const { source, text } = (entry ?? {}) as Partial<Record<keyof ManifestText, unknown>>;
    return typeof source === 'string' && typeof text === 'string';
  };
  if (Array.isArray(manifests) && manifests.length > 0 && manifests.every(isText)) return manifests;
  throw new NodeletError('invalid', 'must be a list of objects with source and text', { field: 'manifests' });
}

export function jsonObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new NodeletError('invalid', 'the body is not JSON', { cause: thrown });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new NodeletError('invalid', 'the body must be a JSON object');
  return value as Record<string, unknown>;
}

/** Query parameters with types; one that a route does not know is refused by name. */
export class Query {
  constructor(
    private readonly values: Record<string, string | undefined>,
    known: readonly string[],
  ) {
    for (const name of Object.keys(values))
      if (!known.includes(name))
        throw new NodeletError('unsupported', 'is not a query parameter that nodelet knows here', {
          field: name,
        });
  }

  text(name: string): string | undefined {
    const value = this.values[name];
    return value === '' ? undefined : value;
  }

  flag(name: string): boolean {
    // Python's clients write True and False.
    const value = (this.text(name) ?? 'false').toLowerCase();
    if (['true', '1'].includes(value)) return true;
    if (['false', '0'].includes(value)) return false;
    throw new NodeletError('invalid', `must be true or false, but is ${value}`, { field: name });
  }

  count(name: string): number | undefined {
    return this.wholeNumber(name, { min: 0, max: 999_999_999 });
  }

  wholeNumber(name: string, { min, max }: { min: number; max: number }): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^\d+$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw new NodeletError('invalid', `must be a whole number from ${min}, but is ${value}`, { field: name });
  }
}
