import type { ServerResponse } from 'node:http';
import type { Agent } from '../agent/agent.js';
import { asNodeletError } from '../base/errors.js';
import { logRequest } from './log-request.js';
import type { Answer, Call } from './routes.js';
import { statusObject } from './status-map.js';

/**
 * Streams a container's log. A client that reads slowly holds the reading of the log back: what waits for it is no more
 * than a block and what the socket takes.
 */
export async function serveLog(agent: Agent, { params, query, response, signal }: Call): Promise<Answer> {
  const options = logRequest(query);
  const text = await agent.log(params, options, signal).catch(asBadRequest);
  if (!('next' in text)) return text;
  response.writeHead(200, { 'content-type': 'text/plain' });
  // A follower may have nothing to read for long, and wants to know all the same that it follows.
  response.flushHeaders();
  for await (const piece of text) {
    if (!response.write(piece)) await drained(response);
    if (response.closed) return undefined;
  }
  response.end();
  return undefined;
}

/** What a container's state stands in the way of is a bad request to a kubelet, and so to its clients, not a conflict. */
function asBadRequest(thrown: unknown): Answer & object {
  const error = asNodeletError(thrown);
  if (error.kind !== 'wrong-state') throw thrown;
  return { code: 400, body: { ...statusObject(error), code: 400, reason: 'BadRequest' } };
}

/** Resolves when the client has taken what was written, or has gone. */
function drained(response: ServerResponse): Promise<void> {
  if (response.closed) return Promise.resolve();
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go);
      response.off('close', go);
      resolve();
    };
    response.on('drain', go);
    response.on('close', go);
  });
}
