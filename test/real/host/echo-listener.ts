import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { bind, closeFd, mustSucceed } from '../../../src/host/libc.js';
import { enterNetns, visitNetns } from '../../../src/host/netns-visit.js';
import { PacketStream } from '../../../src/host/packet-stream.js';
import { family, kind, loopbackAddress, openSocket, unixAddress } from '../../../src/host/raw-socket.js';
import type { ListenAt } from '../../contract/contract.js';

const bindTo = bind<(fd: number, address: Buffer, bytes: number) => number>(
  'int bind(int fd, const void *address, unsigned int bytes)',
);
const listen = bind<(fd: number, backlog: number) => number>('int listen(int fd, int backlog)');
const accept = bind<(fd: number, address: null, bytes: null) => number>(
  'int accept(int fd, void *address, void *bytes)',
);
const backlog = 8;
const acceptPollMs = 5;

/** Listens and sends back what comes, each connection to its end; gives what ends it. */
export function echoListener(at: ListenAt): () => void {
  return 'packets' in at ? packetEcho(at.packets) : loopbackEcho(at);
}

function loopbackEcho({ netnsPath, address, port }: Exclude<ListenAt, { packets: string }>): () => void {
  const domain = address === '::1' ? family.inet6 : family.inet;
  const netns = fs.openSync(netnsPath, 'r');
  const fd = visitNetns(
    () => enterNetns(netns),
    () => openSocket(domain, kind.stream),
  );
  fs.closeSync(netns);
  const bytes = loopbackAddress(domain, port);
  mustSucceed(bindTo(fd, bytes, bytes.length), 'binding a port');
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen({ fd });
  return () => void server.close();
}

function packetEcho(file: string): () => void {
  // The address of a socket holds 107 bytes of path: the folder's descriptor stands for the longer part.
  const dirFd = fs.openSync(path.dirname(file), fs.constants.O_DIRECTORY);
  const fd = openSocket(family.unix, kind.packets);
  const bytes = unixAddress(`/proc/self/fd/${dirFd}/${path.basename(file)}`);
  mustSucceed(bindTo(fd, bytes, bytes.length), 'binding a path');
  mustSucceed(listen(fd, backlog), 'listening');
  fs.closeSync(dirFd);
  const timer = setInterval(() => {
    const accepted = accept(fd, null, null);
    if (accepted < 0) return;
    const connection = new PacketStream(accepted);
    connection.on('error', () => undefined);
    connection.pipe(connection);
  }, acceptPollMs);
  return () => {
    clearInterval(timer);
    closeFd(fd);
  };
}
