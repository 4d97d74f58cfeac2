import type { Log } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import type { Files } from '../ports/files.js';
import type { Processes } from '../ports/processes.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import type { RuntimeFeatures } from './runtime-features.js';
import { noFeatures, readRuntimeFeatures } from './runtime-features.js';

export interface RuntimeHandlersParts {
  config: Pick<NodeConfig, 'runDir' | 'runtimes' | 'defaultRuntime' | 'conmonPath'>;
  processes: Pick<Processes, 'run' | 'sealed'>;
  files: Pick<Files, 'read' | 'realPath' | 'stat'>;
  env: Readonly<Record<string, string>>;
  log: Log;
}

const askTimeoutMs = 60_000;

/** The configured OCI runtimes by handler name. */
export class RuntimeHandlers {
  /** Folder of the runtimes' state folders. */
  readonly stateRoots: string;
  private readonly known = new Map<string, Promise<RuntimeFeatures>>();

  constructor(private readonly parts: RuntimeHandlersParts) {
    this.stateRoots = `${parts.config.runDir}/oci`;
  }

  names(): string[] {
    return Object.keys(this.parts.config.runtimes);
  }

  /** `ContainerRunner.resolveHandler`. */
  resolve(handler: string): string {
    const { runtimes, defaultRuntime } = this.parts.config;
    const name = handler === '' ? defaultRuntime : handler;
    if (runtimes[name] !== undefined) return name;
    throw new NodeletError('not-found', `there is no runtime handler "${name}"`, {
      field: 'runtime_handler',
      remedy: `configured are: ${this.names().join(', ')}`,
    });
  }

  /** Folder in which the runtime of a resolved handler keeps its state, by container id. */
  stateRoot(handler: string): string {
    return `${this.stateRoots}/${handler}`;
  }

  /** The runtime of a resolved handler, with its global options. */
  async command(handler: string): Promise<string[]> {
    const runtime = this.parts.config.runtimes[handler];
    if (runtime === undefined) throw new NodeletError('bug', `handler ${handler} was not resolved`);
    return [await this.parts.processes.sealed(runtime.path), '--root', this.stateRoot(handler)];
  }

  /** `ContainerRunner.missingPrograms`. */
  async missingPrograms(): Promise<string[]> {
    const { runtimes, defaultRuntime, conmonPath } = this.parts.config;
    const needed = [runtimes[defaultRuntime]?.path ?? '', conmonPath];
    const found = await Promise.all(needed.map((program) => this.isProgram(program)));
    return needed.filter((_, index) => !found[index]);
  }

  /** `ContainerRunner.features`. */
  async features(handler: string): Promise<RuntimeFeatures> {
    const { config, log } = this.parts;
    const known = this.known.get(handler);
    if (known !== undefined) return known;
    if (!(await this.isProgram(config.runtimes[handler]?.path ?? ''))) return noFeatures;
    const asked = this.readFeatures(handler).catch((thrown: unknown) => {
      // Asked again the next time: the program may not be installed yet.
      this.known.delete(handler);
      log.warn({ handler, err: String(thrown) }, 'the OCI runtime does not tell its features');
      return noFeatures;
    });
    this.known.set(handler, asked);
    return asked;
  }

  private async readFeatures(handler: string): Promise<RuntimeFeatures> {
    const { processes, files, env } = this.parts;
    const [program = ''] = await this.command(handler);
    const release = await files.read('/proc/sys/kernel/osrelease');
    const run = (words: string[]) =>
      processes.run({ argv: [program, ...words], name: handler, env, timeoutMs: askTimeoutMs });
    return readRuntimeFeatures(run, release?.toString('utf8') ?? '');
  }

  private async isProgram(path: string): Promise<boolean> {
    const { files } = this.parts;
    const file = await files.realPath(path);
    const stat = file === undefined ? undefined : await files.stat(file);
    return stat?.kind === 'file' && (stat.mode & 0o111) !== 0;
  }
}
