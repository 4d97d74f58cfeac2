import path from 'node:path';
import type { Log } from '../../base/call-context.js';
import type { NodeletError } from '../../base/errors.js';
import { asNodeletError } from '../../base/errors.js';
import type { Files } from '../../ports/files.js';
import type { NodeConfig } from '../../spec/config/node-config.js';
import type { RegistryRule } from '../../spec/config/registries-file.js';
import { parseRegistriesFile, rulesOfConfig } from '../../spec/config/registries-file.js';

export interface RegistryBookParts {
  config: Pick<NodeConfig, 'registries' | 'registriesFile'>;
  files: Pick<Files, 'read' | 'watch'>;
  log: Log;
}

/**
 * The rules for registries: those of the registries file, and below them those of the configuration. The file is looked at when
 * something in its folder changes, and at each use as well, which a link to another folder needs. One that is broken leaves the
 * last good one in force; while there was none, nothing is pulled, since what it blocks isn't known.
 */
export class RegistryBook {
  private text: string | undefined;
  private good: RegistryRule[] | undefined;
  private trouble: NodeletError | undefined;
  private unwatch: (() => void) | undefined;
  private reading: Promise<void> = Promise.resolve();

  constructor(private readonly parts: RegistryBookParts) {}

  async start(): Promise<void> {
    const { config, files } = this.parts;
    const name = path.basename(config.registriesFile);
    this.unwatch = files.watch(path.dirname(config.registriesFile), (changed) => {
      if (changed === name) void this.refresh();
    });
    await this.refresh();
  }

  stop(): void {
    this.unwatch?.();
    this.unwatch = undefined;
  }

  /** The rules as they are now, the file's first; `invalid` with file, line and field when it is broken and no good one was seen. */
  async rules(): Promise<RegistryRule[]> {
    await this.refresh();
    if (this.good !== undefined) return this.good;
    throw this.trouble ?? new Error('the registries file has not been read');
  }

  /** What is wrong with the file as it is now. */
  async problem(): Promise<NodeletError | undefined> {
    await this.refresh();
    return this.trouble;
  }

  private refresh(): Promise<void> {
    this.reading = this.reading.then(() => this.read());
    return this.reading;
  }

  private async read(): Promise<void> {
    const { config, files, log } = this.parts;
    const file = config.registriesFile;
    try {
      const text = (await files.read(file))?.toString('utf8') ?? '';
      if (text === this.text) return;
      this.text = text;
      const rules = parseRegistriesFile(text, file);
      const own = new Set(rules.map(({ prefix }) => prefix));
      const others = rulesOfConfig(config.registries).filter(({ prefix }) => !own.has(prefix));
      const isNew = this.good !== undefined;
      this.good = [...rules, ...others];
      this.trouble = undefined;
      if (isNew)
        log.info({ file, registries: rules.map(({ prefix }) => prefix) }, 'registries file read anew');
    } catch (thrown) {
      const error = asNodeletError(thrown);
      const isKnown = this.trouble?.message === error.message;
      this.trouble = error;
      const then =
        this.good === undefined ? 'nothing is pulled until it is mended' : 'the last good one stays';
      if (!isKnown) log.error({ file, problem: error.describe() }, `the registries file is broken: ${then}`);
    }
  }
}
