import koffi from 'koffi';

/** The C library, loaded once. Only host/ calls it; each function is declared beside its use. */
export const libc = koffi.load('libc.so.6');
export const errnoName = (code: number): string =>
  Object.entries(koffi.os.errno).find(([, value]) => value === code)?.[0] ?? `errno ${code}`;
export const lastErrno = (): number => koffi.errno();
