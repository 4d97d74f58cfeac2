import { homedir } from 'node:os';
import { NodeletError, asNodeletError } from '../../base/errors.js';
import type { Processes } from '../../ports/processes.js';
import type { RegistryLogin } from './login.js';

export interface HelperCall {
  /** Name without `docker-credential-`. */
  helper: string;
  /** The registry as Docker names it. */
  registry: string;
  signal: AbortSignal;
}

/** Some ask a cloud's service; one that takes longer waits for a person. */
const helperTimeoutMs = 30_000;
/** What Docker's helpers have as the name beside an identity token. */
const tokenName = '<token>';
/** What Docker's helpers answer for a registry they know nothing of. */
const unknownRegistry = /credentials not found/i;

/** Asks `docker-credential-HELPER get`; undefined when it has no login for the registry. `tool-failed` naming the helper otherwise. */
export async function askHelper(
  { helper, registry, signal }: HelperCall,
  processes: Pick<Processes, 'run'>,
): Promise<RegistryLogin | undefined> {
  const name = `docker-credential-${helper}`;
  const failed = (why: string, cause?: unknown): NodeletError =>
    new NodeletError('tool-failed', `the credential helper ${name} ${why}`, {
      field: 'dockerConfig',
      remedy: `try: echo ${serverOf(registry)} | ${name} get`,
      cause,
    });
  const run = processes.run({
    argv: [name, 'get'],
    env: { HOME: homedir() },
    stdin: Buffer.from(`${serverOf(registry)}\n`),
    timeoutMs: helperTimeoutMs,
    signal,
  });
  const { exitCode, stdout, stderr } = await run.catch((thrown: unknown) => {
    if (signal.aborted) throw thrown;
    throw failed(`could not be asked: ${asNodeletError(thrown).message}`, thrown);
  });
  const text = stdout.toString('utf8').trim();
  if (exitCode !== 0) {
    const told = text || stderr.toString('utf8').trim();
    if (unknownRegistry.test(told)) return undefined;
    throw failed(`ended with ${exitCode}: ${told.split('\n')[0] ?? ''}`);
  }
  const { Username: username, Secret: secret } = answerIn(text) ?? {};
  // What it printed may be half a secret: it isn't told.
  if (typeof username !== 'string' || typeof secret !== 'string') throw failed('answered no login');
  if (username === tokenName) return { kind: 'refresh-token', token: secret };
  return username === '' ? undefined : { kind: 'password', username, password: secret };
}

function answerIn(text: string): { Username?: unknown; Secret?: unknown } | undefined {
  try {
    return (JSON.parse(text) as object | null) ?? undefined;
  } catch {
    return undefined;
  }
}

const serverOf = (registry: string): string =>
  registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
