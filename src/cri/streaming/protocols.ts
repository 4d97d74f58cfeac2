/**
 * Versions of Kubernetes' remote command protocol, the preferred one first. Over WebSocket v5 adds the end of stdin to
 * v4; over SPDY the two are one. Before v4 the outcome is a text for people, and an exit code has no form of its own.
 * The `base64` ones are for clients that can only send text, as browsers once did.
 */
export const webSocketCommands = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
] as const;
export const spdyCommands = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const;
/** What a client speaks that names no version: over SPDY those before Kubernetes 1.1. */
export const unversionedCommand = 'channel.k8s.io';

/** Port-forwarding over SPDY. */
export const spdyForward = 'portforward.k8s.io';
/** The same, its bytes carried in the messages of a WebSocket connection; the older name was never in a release. */
const tunnelledForwards = ['SPDY/3.1+portforward.k8s.io', 'v2.portforward.k8s.io'] as const;
/** Port-forwarding by channels, also of a client over WebSocket that names nothing. */
export const channelForward = 'v4.channel.k8s.io';
export const webSocketForwards = [...tunnelledForwards, channelForward, 'v4.base64.channel.k8s.io'] as const;
export const isTunnelled = (protocol: string): boolean => tunnelledForwards.some((one) => one === protocol);

export const spdyUpgrade = 'SPDY/3.1';

/** The first of the protocols that the client offers too. */
export function choose<Protocol extends string>(
  spoken: readonly Protocol[],
  offered: readonly string[],
): Protocol | undefined {
  return spoken.find((protocol) => offered.includes(protocol));
}

/** Whether the outcome is told as a meta/v1 Status. */
export const tellsStatus = (protocol: string): boolean => /^v[45]\./.test(protocol);
/** Whether the client opens a stream for the sizes of its terminal. */
export const tellsSizes = (protocol: string): boolean => /^v[345]\./.test(protocol);
/** Whether messages over WebSocket are text. */
export const isText = (protocol: string): boolean => protocol.includes('base64.');
