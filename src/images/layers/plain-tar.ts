const blockBytes = 512;
const typeFlags = { file: '0', dir: '5' } as const;

export interface PlainEntry {
  /** At most 99 bytes. */
  name: string;
  type: keyof typeof typeFlags;
  mode: number;
  content?: Buffer;
}

/** A tar archive (POSIX ustar) of a few entries that belong to root and have no times: equal contents give equal bytes. */
export function plainTar(entries: readonly PlainEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(2 * blockBytes)]);
}

function blocksOf({ name, type, mode, content = Buffer.alloc(0) }: PlainEntry): Buffer[] {
  const head = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number): void => {
    head.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  head.write(name, 0, 'utf8');
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(content.length, 124, 11);
  octal(0, 136, 11);
  head.fill(' ', 148, 156);
  head.write(typeFlags[type], 156, 'latin1');
  head.write('ustar\x0000', 257, 'latin1');
  octal(
    head.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  head[154] = 0;
  return [head, content, Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes)];
}
