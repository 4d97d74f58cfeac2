import { accessSync, constants } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TerminalSize } from '../../../src/ports/interactive-processes.js';
import type { CliResult, Watched } from '../cli/nodelet-cli.js';
import { watch } from '../cli/nodelet-cli.js';
import type { ClientWorld } from './client-world.js';

/** A version of kubectl and what it is told to speak. 1.20 knows of SPDY alone. */
export interface KubectlWay {
  version: '1.20.2' | '1.35.2';
  protocol: 'SPDY' | 'WebSocket';
}

/** Where hack/fetch-kubectl has put it. */
function programOf({ version }: KubectlWay): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache');
  return path.join(cache, 'nodelet', `kubectl-${version}`);
}

/** Why a version can't be driven here; undefined where it can. */
export function missing(way: KubectlWay): string | undefined {
  try {
    accessSync(programOf(way), constants.X_OK);
    return undefined;
  } catch {
    return `there is no ${programOf(way)}; hack/fetch-kubectl tells why (1.35.2 is there for x64 alone)`;
  }
}

/** kubectl against the API of a world. */
export class Kubectl {
  constructor(
    private readonly way: KubectlWay,
    private readonly world: ClientWorld,
  ) {}

  argv(...args: string[]): string[] {
    const isWebSocket = this.way.protocol === 'WebSocket';
    return [
      'env',
      `HOME=${this.world.node.dir}/kubectl-${this.way.version}`,
      `KUBECTL_REMOTE_COMMAND_WEBSOCKETS=${isWebSocket}`,
      `KUBECTL_PORT_FORWARD_WEBSOCKETS=${isWebSocket}`,
      programOf(this.way),
      ...['--server', this.world.url],
      ...args,
    ];
  }

  /** Runs it to its end; `input` is its standard input. */
  async run(args: string[], input?: string): Promise<CliResult> {
    const { process, done } = await watch({ argv: this.argv(...args), stdin: input !== undefined });
    process.stdin?.end(input);
    return done;
  }

  start(args: string[], size?: TerminalSize): Promise<Watched> {
    return watch({
      argv: this.argv(...args),
      stdin: true,
      ...(size === undefined ? {} : { terminal: { ...size, relay: false } }),
    });
  }
}
