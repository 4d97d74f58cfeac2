import type { Duplex } from 'node:stream';

/** Code, reason and text of a meta/v1 Status that says why there is no connection. */
export interface Refusal {
  code: number;
  reason: string;
  message: string;
}

/** The refusal as the JSON of a meta/v1 Status. */
export function refusalBody({ code, reason, message }: Refusal): string {
  const status = { apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, reason, code };
  return `${JSON.stringify(status)}\n`;
}

/** Answers an upgrade request with a meta/v1 Status instead of a connection, and closes. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const body = refusalBody(refusal);
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${refusal.code} ${refusal.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
