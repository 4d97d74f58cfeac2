import type net from 'node:net';
import { NodeletError } from '../../base/errors.js';
import { connectToPod } from './pod-connection.js';

/** Where a connection goes: the pod's subresource at the daemon's API, and the port in the pod. */
export interface ForwardTarget {
  socketPath: string;
  path: string;
  podPort: number;
}

/**
 * Joins a connection that was taken here, still paused, to a port of the pod until both sides have ended it. Either end is passed on by itself, and so
 * is a break. Rejects with why the port can't be reached; what breaks later is for the two that talk to notice.
 */
export async function carry(local: net.Socket, { podPort, ...api }: ForwardTarget): Promise<void> {
  // An error is followed by close, which is what counts.
  local.on('error', () => undefined);
  const { data, refusal } = await connectToPod(api, podPort).catch((thrown: unknown) => {
    local.resetAndDestroy();
    throw thrown;
  });
  data.once('close', () => {
    if (!data.readableEnded) local.resetAndDestroy();
  });
  local.once('close', () => data.destroy());
  if (local.destroyed) return void data.destroy();
  local.pipe(data);
  // Whether the end of the data is one shows when the errors have ended: until then nothing of it is passed on.
  data.on('data', (chunk: Buffer) => {
    if (!local.write(chunk)) data.pause();
  });
  local.on('drain', () => data.resume());
  data.once('end', () => void refusal.then((told) => (told === '' ? local.end() : local.resetAndDestroy())));
  const told = await refusal;
  if (told !== '') throw new NodeletError('unavailable', told);
}
