import { access, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { NodeletError } from '../base/errors.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import { parseNodeConfig } from '../spec/config/node-config-parse.js';
import type { NodeConfigOverrides } from '../spec/config/node-config-parse.js';

const defaultPath = '/etc/nodelet/config.yaml';

/** The node's configuration: the named file (which must exist) or the default one (which need not), then flags. */
export async function loadConfig(
  path: string | undefined,
  overrides: NodeConfigOverrides,
): Promise<NodeConfig> {
  const fileName = path ?? defaultPath;
  const runcPath = await firstExisting(['/usr/sbin/runc', '/usr/bin/runc']);
  return parseNodeConfig(await readConfig(fileName, path === undefined), {
    fileName,
    hostName: hostname().toLowerCase(),
    ...(runcPath === undefined ? {} : { runcPath }),
    overrides,
  });
}

async function readConfig(fileName: string, mayBeAbsent: boolean): Promise<string> {
  try {
    return await readFile(fileName, 'utf8');
  } catch (thrown) {
    const error = thrown as NodeJS.ErrnoException;
    if (error.code === 'ENOENT' && mayBeAbsent) return '';
    throw new NodeletError('not-found', `cannot read the configuration: ${error.message}`, {
      field: '--config',
      cause: thrown,
    });
  }
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return undefined;
}
