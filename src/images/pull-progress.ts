import type { Clock } from '../ports/clock.js';

/** `exists`: it was there before the pull. `unpacking`: all its bytes are here, and the last of them are being written. */
export type LayerState = 'waiting' | 'downloading' | 'unpacking' | 'done' | 'exists';

export interface LayerProgress {
  digest: string;
  state: LayerState;
  /** Compressed bytes that are here for good: those of before a broken connection count, those fetched twice don't. */
  receivedBytes: number;
  totalBytes: number;
  /** How often its transfer broke off and was resumed, or its source refused and was asked again. */
  retries: number;
}

/** A pull that runs, as it is at one moment. */
export interface PullProgress {
  /** Tells pulls apart: two of one reference may run, with different logins. */
  id: number;
  /** Written out: `docker.io/library/nginx:latest`. */
  reference: string;
  /** Wall clock, nanoseconds since the epoch. */
  startedNs: bigint;
  /** `resolving` until the manifest is known; the last two are told to subscribers once. */
  phase: 'resolving' | 'fetching' | 'done' | 'failed';
  /** Bottom first; empty while resolving. */
  layers: readonly LayerProgress[];
  /** What last broke and is being tried again; empty when nothing did. */
  trouble: string;
}

type Listener = (pull: PullProgress) => void;

/** What a pull tells of itself as it goes. */
export interface PullReport {
  resolved(layers: readonly { digest: string; sizeBytes: number }[]): void;
  layer(digest: string, state: LayerState): void;
  /** Told by whoever fetches a layer; the pulls that wait for the same layer show it, too. */
  received(digest: string, bytes: number): void;
  /** A transfer begins anew, from the first byte. */
  restarted(digest: string): void;
  retrying(digest: string | undefined, why: string): void;
  ended(phase: 'done' | 'failed'): void;
}

/** The pulls that run now. Nothing of it is kept when a pull has ended. */
export class RunningPulls {
  private readonly pulls = new Map<number, MutablePull>();
  private readonly listeners = new Set<Listener>();
  private lastId = 0;

  constructor(private readonly clock: Pick<Clock, 'nowNs'>) {}

  /** Oldest first. */
  list(): PullProgress[] {
    return [...this.pulls.values()].map(copyOf);
  }

  /** Calls `listener` whenever something of a pull changes, at most for each piece of data that comes; returns what ends it. */
  subscribe(listener: Listener): () => void {
    const own: Listener = (pull) => listener(pull);
    this.listeners.add(own);
    return () => void this.listeners.delete(own);
  }

  begin(reference: string): PullReport {
    const id = (this.lastId += 1);
    const pull: MutablePull = {
      id,
      reference,
      startedNs: this.clock.nowNs(),
      phase: 'resolving',
      layers: [],
      trouble: '',
    };
    this.pulls.set(id, pull);
    this.tell(pull);
    return {
      resolved: (layers) => {
        pull.phase = 'fetching';
        pull.layers = layers.map(({ digest, sizeBytes }) => ({
          digest,
          state: 'waiting',
          receivedBytes: 0,
          totalBytes: sizeBytes,
          retries: 0,
        }));
        this.tell(pull);
      },
      layer: (digest, state) => {
        for (const layer of pull.layers) if (layer.digest === digest) layer.state = state;
        this.tell(pull);
      },
      received: (digest, bytes) =>
        this.change(digest, (layer) => {
          layer.receivedBytes += bytes;
          layer.state = layer.receivedBytes < layer.totalBytes ? 'downloading' : 'unpacking';
        }),
      restarted: (digest) =>
        this.change(digest, (layer) => {
          layer.receivedBytes = 0;
          layer.state = 'downloading';
        }),
      retrying: (digest, why) => {
        pull.trouble = why;
        if (digest === undefined) this.tell(pull);
        else this.change(digest, (layer) => (layer.retries += 1));
      },
      ended: (phase) => {
        pull.phase = phase;
        this.pulls.delete(id);
        this.tell(pull);
      },
    };
  }

  /** Changes a layer wherever it is waited for. */
  private change(digest: string, apply: (layer: LayerProgress) => void): void {
    for (const pull of this.pulls.values()) {
      const wanted = pull.layers.filter(
        (layer) => layer.digest === digest && layer.state !== 'done' && layer.state !== 'exists',
      );
      if (wanted.length === 0) continue;
      wanted.forEach(apply);
      this.tell(pull);
    }
  }

  private tell(pull: MutablePull): void {
    if (this.listeners.size === 0) return;
    const told = copyOf(pull);
    for (const listener of this.listeners) listener(told);
  }
}

type MutablePull = Omit<PullProgress, 'layers'> & { layers: LayerProgress[] };

const copyOf = (pull: MutablePull): PullProgress => ({
  ...pull,
  layers: pull.layers.map((layer) => ({ ...layer })),
});
