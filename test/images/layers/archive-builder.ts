/** One entry as it is to stand in an archive; texts are latin1, so that any bytes can be had. */
export interface BuiltEntry {
  name: string;
  /** The header's own type flag. */
  flag: string;
  content?: Buffer;
  mode?: number;
  uid?: number;
  gid?: number;
  /** Seconds. */
  mtime?: number;
  linkName?: string;
  device?: [major: number, minor: number];
  /** Extended headers of its own, before it. */
  pax?: Record<string, string>;
  format?: 'ustar' | 'gnu' | 'v7';
  /** What the header says instead of the content's true size. */
  claimedBytes?: number;
  /** Changes the finished header block. */
  spoil?: (header: Buffer) => void;
}

const blockBytes = 512;
export const endMark = Buffer.alloc(2 * blockBytes);

export const file = (
  name: string,
  content: string | Buffer = '',
  more: Partial<BuiltEntry> = {},
): BuiltEntry => ({
  name,
  flag: '0',
  content: Buffer.from(content),
  ...more,
});
export const dir = (name: string, more: Partial<BuiltEntry> = {}): BuiltEntry => ({
  name: `${name}/`,
  flag: '5',
  mode: 0o755,
  ...more,
});
export const symlink = (name: string, linkName: string, more: Partial<BuiltEntry> = {}): BuiltEntry => ({
  name,
  flag: '2',
  linkName,
  mode: 0o777,
  ...more,
});
export const link = (name: string, linkName: string): BuiltEntry => ({ name, flag: '1', linkName });

/** A whole archive. */
export const archiveOf = (entries: readonly BuiltEntry[], end = endMark): Buffer =>
  Buffer.concat([...entries.map(builtEntry), end]);

/** Header, data and padding of one entry, with the headers before it that its long names ask for. */
export function builtEntry(entry: BuiltEntry): Buffer {
  const { name, linkName = '', pax = {}, format = 'ustar', content = Buffer.alloc(0) } = entry;
  const before: Buffer[] = [];
  const extended = { ...pax };
  for (const [text, key, flag] of [
    [name, 'path', 'L'],
    [linkName, 'linkpath', 'K'],
  ] as const) {
    if (text.length <= 100) continue;
    if (format === 'gnu')
      before.push(
        block({ name: '././@LongLink', flag, content: Buffer.from(`${text}\0`, 'latin1'), format }),
      );
    else extended[key] ??= text;
  }
  if (Object.keys(extended).length > 0) {
    before.push(block({ name: 'pax', flag: 'x', content: paxBody(Object.entries(extended)) }));
  }
  return Buffer.concat([...before, block({ ...entry, content })]);
}

/** Records of an extended header; keys may come more than once. */
export function paxBody(records: readonly (readonly [key: string, value: string])[]): Buffer {
  const texts = records.map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return `${length}${rest}`;
  });
  return Buffer.from(texts.join(''), 'latin1');
}

function block(entry: BuiltEntry): Buffer {
  const { content = Buffer.alloc(0), format = 'ustar', claimedBytes = content.length } = entry;
  const head = Buffer.alloc(blockBytes);
  head.write(entry.name.slice(0, 100), 0, 'latin1');
  number(head, entry.mode ?? 0o644, [100, 8]);
  number(head, entry.uid ?? 0, [108, 8]);
  number(head, entry.gid ?? 0, [116, 8]);
  number(head, claimedBytes, [124, 12]);
  number(head, entry.mtime ?? 0, [136, 12]);
  head.write(entry.flag, 156, 'latin1');
  head.write((entry.linkName ?? '').slice(0, 100), 157, 'latin1');
  if (format !== 'v7') head.write(format === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257, 'latin1');
  const [major, minor] = entry.device ?? [0, 0];
  if (format !== 'v7') {
    number(head, major, [329, 8]);
    number(head, minor, [337, 8]);
  }
  entry.spoil?.(head);
  checkSum(head);
  return Buffer.concat([
    head,
    content,
    Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes),
  ]);
}

export function checkSum(head: Buffer): void {
  head.fill(' ', 148, 156);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** Octal digits; what is too large or negative in GNU's binary form. */
export function number(head: Buffer, value: number, [at, bytes]: [at: number, bytes: number]): void {
  if (value >= 0 && value < 8 ** (bytes - 1)) {
    head.write(`${value.toString(8).padStart(bytes - 1, '0')}\0`, at, 'latin1');
    return;
  }
  let rest = BigInt(value);
  for (let index = at + bytes - 1; index >= at; index -= 1) {
    head[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  head[at] = (head[at] ?? 0) | 0x80;
}
