import type { Duplex } from 'node:stream';

/** Answers an upgrade request with a meta/v1 Status instead of a connection, and closes. */
export function refuseUpgrade(
  socket: Duplex,
  { code, reason, message }: { code: number; reason: string; message: string },
): void {
  const body = `${JSON.stringify({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    code,
  })}\n`;
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${code} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
