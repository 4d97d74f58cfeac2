import net from 'node:net';
import { abortReason } from '../../base/call-context.js';
import { isKind } from '../../base/errors.js';
import type { LayerArchives, LayerPlaces, UnpackOrder, UnpackedArchive } from '../../ports/layer-archives.js';
import { bind, closeFd } from '../libc.js';
import { openPipe } from '../posix-spawn.js';
import { LayerWorkers } from './layer-workers.js';

const control = bind<(fd: number, command: number, value: number) => number>(
  'int fcntl(int fd, int command, int value)',
);
const setPipeSize = 1031;
/** The most that an ordinary process may have: the two sides take turns less often. */
const pipeBytes = 1024 * 1024;

/** Layers by threads of their own, which blocking calls on files and pipes don't hurt. */
export function createLayerArchives(): LayerArchives {
  const workers = new LayerWorkers();
  return {
    unpack: (order) => unpack(workers, order),
    pack: (places, signal) => pack(workers, places, signal),
    digest: (places, signal) =>
      whileWanted(
        signal,
        () => undefined,
        async (given) => {
          return (await workers.run({ kind: 'pack', places, outputFd: undefined }, given)) as string;
        },
      ),
  };
}

/** Runs work that learns by a shared flag, and by `stop`, when its caller has gone; fails with the caller's reason then. */
async function whileWanted<T>(
  signal: AbortSignal,
  stop: () => void,
  work: (given: SharedArrayBuffer) => Promise<T>,
): Promise<T> {
  const given = new SharedArrayBuffer(4);
  const giveUp = (): void => {
    Atomics.store(new Int32Array(given), 0, 1);
    stop();
  };
  if (signal.aborted) throw abortReason(signal);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await work(given);
  } catch (thrown) {
    throw signal.aborted ? abortReason(signal) : thrown;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

async function unpack(
  workers: LayerWorkers,
  { places, chunks, limits, signal }: UnpackOrder,
): Promise<UnpackedArchive> {
  const { readFd, writeFd } = openPipe();
  control(writeFd, setPipeSize, pipeBytes);
  const pipe = new net.Socket({ fd: writeFd, readable: false, writable: true });
  // Where the thread has stopped reading, it is the thread that tells why.
  pipe.on('error', () => pipe.destroy());
  const job = { kind: 'unpack', places, limits, inputFd: readFd, umask: process.umask() } as const;
  const stop = (): void => void pipe.destroy();
  return whileWanted(signal, stop, async (given) => {
    const unpacking = workers.run(job, given).finally(() => closeFd(readFd));
    const refused = unpacking.then(
      () => false,
      (thrown: unknown) => !isKind(thrown, 'corrupt'),
    );
    const feeding = feed(chunks, { pipe, refused }).catch((thrown: unknown) => {
      Atomics.store(new Int32Array(given), 0, 1);
      pipe.destroy();
      throw thrown;
    });
    const [fed, unpacked] = await Promise.allSettled([feeding, unpacking]);
    pipe.destroy();
    // Bytes that came damaged are the cause of whatever the thread made of them.
    if (fed.status === 'rejected') throw fed.reason;
    if (unpacked.status === 'rejected') throw unpacked.reason;
    return unpacked.value as UnpackedArchive;
  });
}

/** So much more is looked at to find out whether a layer that can't be unpacked came as it was sent. */
const afterthoughtBytes = 64 * 1024 * 1024;

/**
 * Gives all chunks to the pipe at its pace. When the layer turns out to be damaged nobody reads the pipe any more, and what still comes is
 * dropped: its end may tell that the transfer was at fault. When it is `refused` nothing more is taken.
 */
async function feed(
  chunks: AsyncIterable<Buffer>,
  { pipe, refused }: { pipe: net.Socket; refused: Promise<boolean> },
): Promise<void> {
  const over = refused.then((isRefused) => (isRefused ? undefined : new Promise<never>(() => undefined)));
  const iterator = chunks[Symbol.asyncIterator]();
  let dropped = 0;
  for (;;) {
    const next = await Promise.race([iterator.next(), over]);
    if (next === undefined || dropped > afterthoughtBytes) {
      // It may be waiting for the network, and is left to end by itself.
      void Promise.resolve(iterator.return?.()).catch(() => undefined);
      return;
    }
    if (next.done === true) break;
    if (pipe.destroyed) dropped += next.value.length;
    else if (!pipe.write(next.value)) await drained(pipe);
  }
  if (!pipe.destroyed) pipe.end();
}

/** Resolves when the pipe takes more, or will never again. */
const drained = (pipe: net.Socket): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => {
      pipe.off('drain', over);
      pipe.off('close', over);
      resolve();
    };
    pipe.on('drain', over);
    pipe.on('close', over);
    if (pipe.destroyed) over();
  });

async function* pack(
  workers: LayerWorkers,
  places: LayerPlaces,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { readFd, writeFd } = openPipe();
  control(writeFd, setPipeSize, pipeBytes);
  const pipe = new net.Socket({ fd: readFd, readable: true, writable: false });
  const stop = (): void => void pipe.destroy();
  const done = whileWanted(signal, stop, (given) =>
    workers.run({ kind: 'pack', places, outputFd: writeFd }, given).finally(() => closeFd(writeFd)),
  );
  // Awaited below, once the pipe has told all.
  done.catch(() => undefined);
  let isWhole = false;
  try {
    for await (const chunk of pipe) yield chunk as Buffer;
    isWhole = true;
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    pipe.destroy();
    // A caller that has left early wants no error.
    await done.catch((thrown: unknown) => {
      if (isWhole || signal.aborted || !isKind(thrown, 'canceled')) throw thrown;
    });
  }
}
