import type { WebSocket } from 'ws';
import type { Clock } from '../../ports/clock.js';

export const heartbeatMs = 3000;
/** As long as the kubelet lets a connection stay on which nothing moves. */
export const idleMs = 4 * 3600 * 1000;

const goingAway = 1001;

/**
 * Pings a client now and then: a paused connection does not notice that its client has gone, a failing write does. One on
 * which nothing moves for four hours is closed. Returns what is to be called at each move.
 */
export function watchLiveness(socket: WebSocket, clock: Clock): () => void {
  let lastMoveMs = clock.monotonicMs();
  const moved = (): void => {
    lastMoveMs = clock.monotonicMs();
  };
  const beat = (): (() => void) =>
    clock.after(heartbeatMs, () => {
      if (socket.readyState !== socket.OPEN) return;
      if (clock.monotonicMs() - lastMoveMs > idleMs) return socket.close(goingAway, 'nothing moves');
      socket.ping();
      cancel = beat();
    });
  let cancel = beat();
  socket.on('message', moved);
  socket.once('close', () => cancel());
  return moved;
}
