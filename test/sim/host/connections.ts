import { NodeletError } from '../../../src/base/errors.js';
import type { LocalConnections } from '../../../src/ports/local-connections.js';
import { hostNetNs } from '../machine/net-stack.js';
import { socketPair } from '../machine/socket-pair.js';
import type { Session } from './session.js';

export function simConnections(session: Session): LocalConnections {
  const { machine } = session;
  const connect = (names: readonly string[], what: string, packets: boolean) => {
    const accept = names.flatMap((name) => machine.listeners.get(name) ?? [])[0];
    if (accept === undefined)
      throw new NodeletError('unavailable', `connection refused: nothing listens on ${what} (ECONNREFUSED)`);
    const [here, there] = socketPair({ packets });
    accept(there);
    return here;
  };
  return {
    toLoopback: ({ netnsPath, port }) =>
      session.effect('connections.toLoopback', `${port}`, () => {
        const netNs = netnsPath === undefined ? hostNetNs : machine.netNsAt(netnsPath);
        if (netNs === undefined)
          throw new NodeletError('not-found', `there is no network namespace at ${netnsPath}`);
        const names = ['127.0.0.1', '::1'].map((address) => `${netNs} ${address} ${port}`);
        return connect(names, `port ${port}`, false);
      }),
    toPackets: (path) => session.effect('connections.toPackets', path, () => connect([path], path, true)),
  };
}
