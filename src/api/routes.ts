import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HTTPMethod } from 'find-my-way';
import type { Agent } from '../agent/agent.js';
import type { PodName } from '../agent/pod-set.js';
import { NodeletError } from '../base/errors.js';
import { discovery } from './discovery.js';
import { labelSelector } from './label-selector.js';
import { serveLog } from './log-route.js';
import { Query, bodyManifests, bodyPod, bodyText, jsonObject } from './request-read.js';
import { upgradePaths } from './upgrades.js';

export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  params: PodName;
  query: Record<string, string | undefined>;
  /** Aborted when the client hangs up or the server stops. */
  signal: AbortSignal;
}

/** What a route answers; undefined when it has written its answer itself. */
export type Answer = { code?: number; body: unknown } | undefined;

export interface Route {
  method: HTTPMethod;
  path: string;
  handle: (call: Call) => Promise<Answer>;
}

const pods = '/api/v1/namespaces/:namespace/pods';
const podList = (items: unknown[]): Answer => ({
  body: { apiVersion: 'v1', kind: 'PodList', metadata: {}, items },
});
/**
 * What clients add to whatever they list. All of it is there at once and answered at once, which keeps any `timeout`; a
 * `limit` is the size of the pieces that a client would like, and one that gets everything in one piece has it all.
 */
const listParameters = ['limit', 'timeout'];
const podListParameters = [...listParameters, 'labelSelector'];
const eventList = (items: unknown[]): Answer => ({
  body: { apiVersion: 'v1', kind: 'EventList', metadata: {}, items },
});

/** All routes of the API: Kubernetes' paths under /api, nodelet's own under /nodelet. */
export function routes(agent: Agent, version: string): Route[] {
  const route = (
    method: HTTPMethod,
    path: string,
    known: string[],
    handle: (call: Call, query: Query) => Promise<Answer>,
  ): Route => ({
    method,
    path,
    handle: async (call) => handle(call, new Query(call.query, known)),
  });
  return [
    route('GET', '/healthz', [], async () => ({ body: 'ok' })),
    route('GET', '/version', ['timeout'], async () => ({
      body: { gitVersion: version, platform: `linux/${process.arch}` },
    })),
    ...Object.entries(discovery).map(([path, body]) =>
      route('GET', path, ['timeout'], async () => ({ body })),
    ),
    route('GET', '/api/v1/pods', podListParameters, async (_call, query) => listPods(query)),
    route('GET', pods, podListParameters, async ({ params }, query) => listPods(query, params.namespace)),
    route('POST', pods, [], async ({ request, params }) => ({
      code: 201,
      body: await agent.create(await bodyPod(request, { namespace: params.namespace })),
    })),
    route('GET', `${pods}/:name`, ['timeout'], async ({ params }) => ({ body: agent.get(params) })),
    route('PUT', `${pods}/:name`, [], async ({ request, params }) => ({
      body: await agent.replace(await bodyPod(request, params)),
    })),
    route('DELETE', `${pods}/:name`, ['gracePeriodSeconds'], async ({ request, params }, query) => {
      const grace = query.count('gracePeriodSeconds') ?? graceOf(await bodyText(request));
      return { body: await agent.delete(params, grace) };
    }),
    route('GET', `${pods}/:name/events`, listParameters, async ({ params }) =>
      eventList(agent.events(params.namespace, params.name)),
    ),
    route('GET', '/api/v1/namespaces/:namespace/events', listParameters, async ({ params }) =>
      eventList(agent.events(params.namespace)),
    ),
    { method: 'GET', path: `${pods}/:name/log`, handle: (call) => serveLog(agent, call) },
    ...upgradePaths.flatMap((path) =>
      (['GET', 'POST'] as const).map((method) => ({ method, path, handle: needsUpgrade })),
    ),
    route('POST', '/nodelet/v1/apply', [], async ({ request }) => ({
      body: await agent.apply(await bodyManifests(request)),
    })),
    route('GET', '/nodelet/v1/manifest-problems', [], async () => ({ body: agent.manifestProblems() })),
  ];

  function listPods(query: Query, namespace?: string): Answer {
    const isMeant = labelSelector(query.text('labelSelector') ?? '');
    return podList(agent.list(namespace).filter(({ metadata }) => isMeant(metadata.labels)));
  }
}

async function needsUpgrade(): Promise<never> {
  throw new NodeletError('invalid', 'this needs a connection that is upgraded to WebSocket or SPDY/3.1', {
    remedy: 'use `nodelet exec` or kubectl',
  });
}

/** gracePeriodSeconds of a DeleteOptions body, if there is one. */
function graceOf(body: string): number | undefined {
  if (body.trim() === '') return undefined;
  const { gracePeriodSeconds: grace, ...rest } = jsonObject(body);
  for (const name of Object.keys(rest))
    if (!['apiVersion', 'kind', 'propagationPolicy'].includes(name))
      throw new NodeletError('unsupported', 'is a delete option that nodelet does not know', { field: name });
  if (grace === undefined || grace === null) return undefined;
  if (typeof grace !== 'number' || !Number.isInteger(grace) || grace < 0)
    throw new NodeletError('invalid', 'must be a whole number from 0', { field: 'gracePeriodSeconds' });
  return grace;
}
