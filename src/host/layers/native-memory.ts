import koffi from 'koffi';

/** Where a buffer lies in memory, for C functions that take addresses. It stays there as long as somebody refers to the buffer. */
export const addressOf = (buffer: Buffer): number => Number(koffi.address(buffer));

/** The first of these libraries that the machine has. */
export function loadLibrary(name: string): ReturnType<typeof koffi.load> | undefined {
  try {
    return koffi.load(name);
  } catch {
    return undefined;
  }
}

/** Writes an address, or another number of 64 bits, below 2^53. */
export function writeWord(struct: Buffer, value: number, offset: number): void {
  struct.writeUInt32LE(value % 0x1_0000_0000, offset);
  struct.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
}
