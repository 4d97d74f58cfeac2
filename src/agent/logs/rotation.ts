import { asNodeletError } from '../../base/errors.js';
import { isBelow } from '../../base/path-below.js';
import { WakeUp } from '../../base/wake-up.js';
import { firstLookMs, nextLookMs, soonestMs } from './rotation-pace.js';
import type { ContainerLog, RotationParts } from './rotation-steps.js';
import { RotationSteps, hasEnded } from './rotation-steps.js';

/** The log of one run of a container of the agent's. */
export interface PodLog extends ContainerLog {
  /** Only a running container writes. */
  running: boolean;
  attempt: number;
  /** Whose it is, as metrics name it. */
  labels: LogLabels;
}

export interface LogLabels {
  uid: string;
  namespace: string;
  pod: string;
  container: string;
}

export interface LogUsage {
  labels: LogLabels;
  bytes: number;
}

/** What is counted of rotation. */
export interface RotationMetrics {
  logRotation(outcome: 'success' | 'failure'): void;
}

/** What is known of a log between two looks at it. */
interface Watched {
  log: PodLog;
  sizeBytes: number;
  /** Of the folder's other files. */
  otherBytes: number;
  lookedAtMs: number;
  dueMs: number;
  tidied: boolean;
  looking: Promise<void> | undefined;
}

/** How long a new container goes unseen at most. */
const discoverMs = 500;

/**
 * Keeps the logs of the agent's pods small, as a kubelet keeps those of its own: a log that has reached its size is moved away
 * and the runtime begins a new one, older ones are packed, the oldest go. A look at a log is one stat, taken as often as its
 * pace asks for.
 */
export class LogRotation {
  private readonly watched = new Map<string, Watched>();
  private readonly steps: RotationSteps;
  private loop: Promise<void> | undefined;
  /** Ends the pause between two rounds. */
  private readonly wakeUp = new WakeUp();

  constructor(
    private readonly parts: RotationParts & { metrics: RotationMetrics },
    /** The logs of all runs that the runtime has, as far as the agent knows now. */
    private readonly logs: () => PodLog[],
    private readonly signal: AbortSignal,
  ) {
    this.steps = new RotationSteps(parts, signal);
  }

  start(): void {
    this.loop = this.run();
  }

  /** Resolves when nothing is under way; the signal has been aborted before. */
  async stop(): Promise<void> {
    await this.loop;
    await Promise.all([...this.watched.values()].map(async ({ looking }) => looking));
    await this.steps.stop();
  }

  /** Leaves the logs below a folder alone that is about to be removed: `logs` names none of them any more. */
  async release(folder: string): Promise<void> {
    const paths = [...this.watched.keys()].filter((path) => isBelow(path, folder));
    const looks = paths.map(async (path) => this.watched.get(path)?.looking);
    for (const path of paths) this.watched.delete(path);
    await Promise.all(looks);
    await this.steps.release(folder, paths);
  }

  /** What the logs of each container take, all their files together, as of the last looks. */
  usage(): LogUsage[] {
    const newest = new Map<string, Watched>();
    for (const watched of this.watched.values()) {
      const { uid, container } = watched.log.labels;
      const other = newest.get(`${uid}/${container}`);
      if (other === undefined || other.log.attempt < watched.log.attempt)
        newest.set(`${uid}/${container}`, watched);
    }
    return [...newest.values()].map(({ log: { labels }, sizeBytes, otherBytes }) => ({
      labels,
      bytes: sizeBytes + otherBytes,
    }));
  }

  private async run(): Promise<void> {
    const { clock } = this.parts;
    while (!this.signal.aborted) {
      this.discover();
      const nowMs = clock.monotonicMs();
      let nextMs = nowMs + discoverMs;
      for (const watched of this.watched.values()) {
        if (watched.looking !== undefined) continue;
        if (watched.dueMs <= nowMs) this.begin(watched);
        else nextMs = Math.min(nextMs, watched.dueMs);
      }
      await this.wakeUp.wait(clock, nextMs - nowMs, this.signal);
    }
  }

  private discover(): void {
    const nowMs = this.parts.clock.monotonicMs();
    const logs = this.logs();
    for (const log of logs) {
      const known = this.watched.get(log.path);
      if (known === undefined) this.watched.set(log.path, unseen(log, nowMs));
      else {
        // Once more after its end, for the last size.
        if (known.log.running && !log.running) known.dueMs = nowMs;
        known.log = log;
      }
    }
    const paths = new Set(logs.map(({ path }) => path));
    for (const path of this.watched.keys()) if (!paths.has(path)) this.watched.delete(path);
  }

  private begin(watched: Watched): void {
    watched.looking = this.look(watched)
      .catch((thrown: unknown) => {
        const { containerId, path } = watched.log;
        watched.dueMs = this.parts.clock.monotonicMs() + this.parts.config.logs.checkPeriodMs;
        if (this.signal.aborted || hasEnded(thrown)) return;
        this.parts.metrics.logRotation('failure');
        this.parts.log.warn(
          { container: containerId, path, err: asNodeletError(thrown) },
          'a log could not be rotated; trying again',
        );
      })
      .finally(() => {
        watched.looking = undefined;
        this.wakeUp.ring();
      });
  }

  private async look(watched: Watched): Promise<void> {
    const { files, clock, config, metrics } = this.parts;
    const { log } = watched;
    if (!watched.tidied) watched.otherBytes = await this.steps.tidy(log);
    const first = !watched.tidied;
    watched.tidied = true;
    let stat = await files.stat(log.path);
    if (log.running && stat === undefined) await this.steps.reopen(log);
    const rotated = log.running && (stat?.sizeBytes ?? 0) >= config.logs.maxSizeBytes;
    if (rotated) {
      if (await this.steps.rotate(log)) metrics.logRotation('success');
      watched.otherBytes = await this.steps.tidy(log);
      stat = undefined;
    }
    const nowMs = clock.monotonicMs();
    const sizeBytes = stat?.sizeBytes ?? 0;
    const growth = {
      sizeBytes,
      grownBytes: sizeBytes - watched.sizeBytes,
      tookMs: nowMs - watched.lookedAtMs,
    };
    // A rotation takes as long as the disk does, which tells nothing of the log's pace: what comes next is looked at soon.
    const waitMs = rotated ? soonestMs : first ? firstLookMs : nextLookMs(growth, config.logs);
    watched.dueMs = log.running ? nowMs + Math.min(waitMs, config.logs.checkPeriodMs) : Infinity;
    watched.sizeBytes = sizeBytes;
    watched.lookedAtMs = nowMs;
  }
}

function unseen(log: PodLog, nowMs: number): Watched {
  return {
    log,
    sizeBytes: 0,
    otherBytes: 0,
    lookedAtMs: nowMs,
    dueMs: nowMs,
    tidied: false,
    looking: undefined,
  };
}
