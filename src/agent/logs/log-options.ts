/** What of a container's log is wanted: core/v1 PodLogOptions, checked. */
export interface LogOptions {
  /** Goes on as lines come, to the end of the run. */
  follow?: boolean;
  /** A follower goes on with the next run of the container, and waits for the first. Nodelet's own. */
  followRestarts?: boolean;
  /** The run before the present one. */
  previous?: boolean;
  /** Each line is preceded by the time at which it began, and a space. */
  timestamps?: boolean;
  /** Last lines only; a line that has not ended yet is one. */
  tailLines?: number;
  /** From the first line on that was written then or later, nanoseconds since the epoch. */
  sinceNs?: bigint;
  /** Ends after so many bytes, wherever in a line that is. */
  limitBytes?: number;
  /** Both where it is left out. */
  stream?: 'stdout' | 'stderr';
}
