import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { NodeletError } from '../base/errors.js';
import { manifestMaxBytes } from '../spec/manifests/manifest-parse.js';
import type { ManifestText } from '../spec/manifests/manifest-set.js';

/** The manifests behind `-f`: one file, `-` for standard input, or every .yaml, .yml and .json file of a folder, sorted. */
export async function readManifests(path: string, stdin: NodeJS.ReadableStream): Promise<ManifestText[]> {
  if (path === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
    return [{ source: 'stdin', text: Buffer.concat(chunks).toString('utf8') }];
  }
  try {
    if (!(await stat(path)).isDirectory()) return [await readManifest(path)];
    const names = (await readdir(path)).filter((name) => /\.(ya?ml|json)$/.test(name)).sort();
    if (names.length === 0) {
      throw new NodeletError('not-found', `${path} holds no .yaml, .yml or .json file`, { field: '-f' });
    }
    const files = names.map((name) => join(path, name));
    return await Promise.all(files.map(readManifest));
  } catch (thrown) {
    if (thrown instanceof NodeletError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new NodeletError('not-found', `cannot read the manifest: ${reason}`, {
      field: '-f',
      cause: thrown,
    });
  }
}

/** Its size is looked at first: what is no manifest (a disk image, say) must not fill the memory. */
async function readManifest(source: string): Promise<ManifestText> {
  const { size } = await stat(source);
  if (size > manifestMaxBytes)
    throw new NodeletError(
      'exhausted',
      `${source} is larger than a manifest may be: ${manifestMaxBytes} bytes`,
      {
        field: '-f',
      },
    );
  return { source, text: await readFile(source, 'utf8') };
}

/** Namespace and name of every pod in a manifest: all that `delete -f` needs of it. */
export function podNamesOf(
  source: ManifestText,
  defaultNamespace: string,
): { namespace: string; name: string }[] {
  return parseAllDocuments(source.text).flatMap((document) => {
    if (document.errors[0] !== undefined) {
      throw new NodeletError('invalid', `${source.source}: ${document.errors[0].message}`);
    }
    const value = document.toJS() as {
      kind?: unknown;
      metadata?: { name?: unknown; namespace?: unknown };
    } | null;
    if (value === null) return [];
    const { name, namespace } = value.metadata ?? {};
    if (value.kind !== 'Pod' || typeof name !== 'string') {
      throw new NodeletError('invalid', `${source.source}: not a Pod with a metadata.name`, {
        field: 'kind',
      });
    }
    return [{ name, namespace: typeof namespace === 'string' ? namespace : defaultNamespace }];
  });
}
