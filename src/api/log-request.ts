import type { ContainerLogOptions } from '../agent/logs/container-log.js';
import { rfc3339Ns } from '../agent/logs/log-entry.js';
import { NodeletError } from '../base/errors.js';
import { Query } from './request-read.js';

/** core/v1 PodLogOptions as query parameters, and followRestarts of nodelet's own. */
const known = [
  'container',
  'follow',
  'followRestarts',
  'insecureSkipTLSVerifyBackend',
  'limitBytes',
  'pretty',
  'previous',
  'sinceSeconds',
  'sinceTime',
  'stream',
  'tailLines',
  'timestamps',
];

const max = Number.MAX_SAFE_INTEGER;
const streams: Record<string, 'stdout' | 'stderr' | undefined> = {
  All: undefined,
  Stdout: 'stdout',
  Stderr: 'stderr',
};

/**
 * What of a log a request asks for, by the API server's rules (ValidatePodLogOptions); refuses with `invalid` and the
 * parameter's name. There is no backend to verify and nothing to make pretty: these two only have to be well formed.
 */
export function logRequest(values: Record<string, string | undefined>): ContainerLogOptions {
  const query = new Query(values, known);
  query.flag('insecureSkipTLSVerifyBackend');
  const follow = query.flag('follow');
  const followRestarts = query.flag('followRestarts');
  const previous = query.flag('previous');
  const container = query.text('container');
  const tailLines = query.wholeNumber('tailLines', { min: 0, max });
  const limitBytes = query.wholeNumber('limitBytes', { min: 1, max });
  const stream = streamOf(query);
  if (stream !== undefined && tailLines !== undefined)
    throw refused('stream', `${query.text('stream')} and tailLines exclude each other`);
  if (followRestarts && (!follow || previous))
    throw refused('followRestarts', 'goes together with follow, and not with previous');
  return {
    follow,
    followRestarts,
    previous,
    timestamps: query.flag('timestamps'),
    ...(container === undefined ? {} : { container }),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...sinceOf(query),
    ...(stream === undefined ? {} : { stream }),
  };
}

function sinceOf(query: Query): Pick<ContainerLogOptions, 'sinceSeconds' | 'sinceNs'> {
  const sinceSeconds = query.wholeNumber('sinceSeconds', { min: 1, max });
  const time = query.text('sinceTime');
  if (sinceSeconds !== undefined && time !== undefined)
    throw refused('sinceSeconds', 'excludes sinceTime: only one of them can be given');
  if (sinceSeconds !== undefined) return { sinceSeconds };
  if (time === undefined) return {};
  const sinceNs = rfc3339Ns(time);
  if (sinceNs !== undefined) return { sinceNs };
  throw refused('sinceTime', `must be a time such as 2026-01-31T23:59:59Z, but is ${time}`);
}

function streamOf(query: Query): 'stdout' | 'stderr' | undefined {
  const name = query.text('stream') ?? 'All';
  if (name in streams) return streams[name];
  throw refused('stream', `must be one of ${Object.keys(streams).join(', ')}, but is ${name}`);
}

const refused = (field: string, message: string): NodeletError =>
  new NodeletError('invalid', message, { field });
