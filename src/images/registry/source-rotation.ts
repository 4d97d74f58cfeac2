import { throwIfGone } from '../../base/call-context.js';
import { NodeletError, asNodeletError } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Random } from '../../ports/random.js';
import type { Patience } from './patience.js';
import { Pauses, pauseText } from './patience.js';
import type { RegistryResponse } from './transport.js';

export interface SourceRequest {
  method: 'GET' | 'HEAD';
  /** Below the repository: `/manifests/latest`. */
  path: string;
  headers: Record<string, string>;
  signal: AbortSignal;
}

/** Something that may have what is wanted: a registry, a mirror, or an address that a manifest names. */
export interface Source {
  /** What messages call it. */
  readonly name: string;
  /** An answer of a status in `wanted`; otherwise the error that it stands for. */
  request(request: SourceRequest, wanted: readonly number[]): Promise<RegistryResponse>;
}

export interface RotationParts {
  /** At least one, in the order in which they are tried. */
  sources: readonly Source[];
  patience: Patience;
  host: { clock: Clock; random: Random };
  /** Told of what has failed and is tried again, there or elsewhere. */
  onRetry: (why: string) => void;
  /** Told of a source that is given up for another. */
  onGivenUp: (source: Source) => void;
}

/** One that others stand behind is given up sooner. */
const hasty = { attempts: 2, connectAttempts: 1, pausesMs: 5_000 };

/** One fetch over several sources: the same again after a pause while that may help, then the next one. */
export class SourceRotation {
  private readonly failures: { source: Source; error: NodeletError }[] = [];
  private readonly left: Source[];
  private pauses: Pauses;
  current: Source;

  constructor(private readonly parts: RotationParts) {
    const [first, ...others] = parts.sources;
    if (first === undefined) throw new NodeletError('bug', 'there is no source to fetch from');
    this.current = first;
    this.left = others;
    this.pauses = this.newPauses();
  }

  /** Something came from the current source. */
  progressed(): void {
    this.pauses.reset();
  }

  /** Returns when `current` may be tried; throws what all have failed with when none is left, and at once when the caller has gone. */
  async failed(thrown: unknown, signal: AbortSignal): Promise<void> {
    throwIfGone({ signal });
    const error = asNodeletError(thrown);
    if (error.kind === 'bug') throw error;
    const pauseMs = this.pauses.after(error);
    if (pauseMs !== undefined) {
      this.parts.onRetry(pauseText(error, pauseMs));
      await this.pauses.wait(pauseMs, signal);
      return;
    }
    this.failures.push({ source: this.current, error });
    const next = this.left.shift();
    if (next === undefined) throw this.wholeError();
    this.parts.onGivenUp(this.current);
    this.parts.onRetry(`${error.message}; now from ${next.name}`);
    this.current = next;
    this.pauses = this.newPauses();
  }

  private newPauses(): Pauses {
    const { patience, host } = this.parts;
    if (this.left.length === 0) return new Pauses(patience, host);
    return new Pauses(
      {
        ...patience,
        attempts: Math.min(patience.attempts, hasty.attempts),
        connectAttempts: hasty.connectAttempts,
        pausesMs: Math.min(patience.pausesMs, hasty.pausesMs),
      },
      host,
    );
  }

  /** The last one's error, which is the registry's own, and what the others had said. */
  private wholeError(): NodeletError {
    const [last, ...others] = this.failures.toReversed();
    if (last === undefined) throw new NodeletError('bug', 'nothing has failed');
    const { error } = last;
    if (others.length === 0) return error;
    const before = others.toReversed().map(({ source, error: { message } }) => `${source.name}: ${message}`);
    return new NodeletError(error.kind, `${error.message}; tried before it: ${before.join('; ')}`, {
      ...(error.field !== undefined && { field: error.field }),
      ...(error.remedy !== undefined && { remedy: error.remedy }),
      cause: error,
    });
  }
}
