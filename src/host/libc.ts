import koffi from 'koffi';
import { NodeletError } from '../base/errors.js';

/** The C library, loaded once. Only host/ calls it; each function is declared beside its use. */
const libc = koffi.load('libc.so.6');

/** A C function: called in place, or on a worker thread, where `errno` does not reach the caller. */
export type Bound<Call extends (...args: never[]) => unknown> = Call & {
  inWorker: (...args: Parameters<Call>) => Promise<ReturnType<Call>>;
};

/** Declares a C function by its prototype (koffi's notation) and the type of its call. */
export function bind<Call extends (...args: never[]) => unknown>(prototype: string): Bound<Call> {
  // What koffi returns is untyped: the prototype and `Call` are kept in step here, where they stand side by side.
  const foreign = libc.func(prototype) as { (): unknown; async: (...args: unknown[]) => void };
  return Object.assign(foreign as unknown as Call, {
    inWorker: (...args: Parameters<Call>) =>
      new Promise<ReturnType<Call>>((resolve, reject) => {
        foreign.async(...args, (thrown: Error | null, result: ReturnType<Call>) => {
          if (thrown === null) resolve(result);
          else reject(thrown);
        });
      }),
  });
}

export const errnoName = (code: number): string =>
  Object.entries(koffi.os.errno).find(([, value]) => value === code)?.[0] ?? `errno ${code}`;
export const lastErrno = (): number => koffi.errno();

/** The result of a C function that tells failure by -1; `what` names in the error what was being done. */
export function mustSucceed(result: number, what: string): number {
  if (result >= 0) return result;
  throw new NodeletError('tool-failed', `${what} failed: ${errnoName(lastErrno())}`);
}

export const closeFd = bind<(fd: number) => number>('int close(int fd)');
