import type { ErrorKind } from '../../base/errors.js';
import type { PackJob } from './pack-job.js';
import type { UnpackJob } from './unpack-job.js';

export interface Order {
  job: UnpackJob | PackJob;
  /** Its first word becomes 1 when the job is no longer wanted. */
  given: SharedArrayBuffer;
}

export type Answer =
  | { ok: true; value: unknown }
  | { ok: false; kind: ErrorKind; message: string; field: string | undefined; remedy: string | undefined };
