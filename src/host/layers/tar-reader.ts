import { damaged, hostile, overLimit, shown, unsupported } from './archive-error.js';
import type { BlockSource } from './block-source.js';
import type { PaxRecords } from './pax-records.js';
import { paxNumber, paxTime, readPaxRecords } from './pax-records.js';
import type { SparseSpan } from './sparse-map.js';
import { readDecimalMap, readOldGnuMap, sparseMapOf } from './sparse-map.js';
import type { RawHeader } from './tar-header.js';
import { blockBytes, isZero, readHeader } from './tar-header.js';

export type EntryType = 'file' | 'link' | 'symlink' | 'char' | 'block' | 'dir' | 'fifo';

/** An entry as it is to be; texts are latin1, a byte a character. */
export interface TarEntry {
  type: EntryType;
  name: string;
  linkName: string;
  mode: number;
  uid: number;
  gid: number;
  mtime: { sec: number; ns: number };
  devMajor: number;
  devMinor: number;
  /** Bytes of data that follow in the archive; 0 for all but files. */
  storedBytes: number;
  /** Size of the file; larger than what is stored where it is sparse. */
  realBytes: number;
  /** Where the data goes; undefined for a file without holes. */
  spans: SparseSpan[] | undefined;
  /** Extended attributes by their whole names. */
  attributes: [name: string, value: string][];
}

const typeOfFlag: Partial<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
};
/** Names, targets and extended headers are held in memory. */
const longTextMaxBytes = 1024 * 1024;
const nameMaxBytes = 4096;
const partMaxBytes = 255;
/** The kernel takes -1 for "leave it as it is". */
const idMax = 0xffff_fffe;
const attributePrefix = 'SCHILY.xattr.';

/** What came ahead of an entry and is about it. */
interface Ahead {
  longName?: string;
  longLink?: string;
  pax?: PaxRecords;
}

/**
 * Reads entries from a tar archive as it streams by: POSIX ustar and pax, GNU, star. Global extended headers are read and
 * set aside, as Docker and containerd do: an image is what they make of it.
 */
export class TarReader {
  private entries = 0;

  constructor(
    private readonly source: BlockSource,
    private readonly parts: {
      maxEntries: number;
      /** Told of each block that is not data of a file, in order. */
      literal: (block: Buffer) => void;
    },
  ) {}

  /** The next entry, whose data the caller takes from the source before the one after; undefined at the archive's end. */
  next(): TarEntry | undefined {
    const ahead: Ahead = {};
    for (;;) {
      const block = this.source.block();
      if (block === undefined) {
        if (ahead.pax !== undefined || ahead.longName !== undefined) throw damaged('the archive breaks off');
        return undefined;
      }
      this.parts.literal(block);
      if (isZero(block)) return undefined;
      const header = readHeader(block);
      this.count();
      if (header.size < 0) throw damaged('an entry of the archive has a negative size');
      if (header.flag === 'x') ahead.pax = readPaxRecords(this.body(header.size));
      else if (header.flag === 'g') readPaxRecords(this.body(header.size));
      else if (header.flag === 'L') ahead.longName = untilNul(this.body(header.size));
      else if (header.flag === 'K') ahead.longLink = untilNul(this.body(header.size));
      else return this.entry(block, header, ahead);
    }
  }

  private count(): void {
    const { maxEntries } = this.parts;
    this.entries += 1;
    if (this.entries > maxEntries) throw overLimit('maxEntries', `has more than ${maxEntries} entries`);
  }

  private mustBlock = (): Buffer => {
    const block = this.source.block();
    if (block === undefined) throw damaged('the archive breaks off');
    this.parts.literal(block);
    return block;
  };

  private body(bytes: number): Buffer {
    if (bytes > longTextMaxBytes) throw hostile(`it has an extended header of ${bytes} bytes`);
    const body = Buffer.alloc(Math.ceil(bytes / blockBytes) * blockBytes);
    for (let at = 0; at < bytes; at += blockBytes) this.mustBlock().copy(body, at);
    return body.subarray(0, bytes);
  }

  private entry(block: Buffer, header: RawHeader, ahead: Ahead): TarEntry {
    const pax = ahead.pax ?? { values: new Map<string, string>(), sparseMap: [] };
    // An empty value means as much as none.
    const value = (key: string): string | undefined => pax.values.get(key) || undefined;
    const number = (key: string, plain: number): number => {
      const text = value(key);
      return text === undefined ? plain : paxNumber(key, text);
    };
    const name = value('GNU.sparse.name') ?? value('path') ?? ahead.longName ?? header.name;
    const type = typeOfFlag[header.flag];
    if (type === undefined) {
      throw unsupported(
        `its entry ${shown(name)} is of the unknown type ${shown(header.flag)}`,
        'build the image with another tool',
      );
    }
    const linkName = value('linkpath') ?? ahead.longLink ?? header.linkName;
    checkName(name);
    // A target may be as long as a name, but needn't make sense.
    if (linkName.length >= nameMaxBytes) throw hostile(`the target of ${shown(name)} is too long`);
    const mtime = value('mtime');
    const entry: TarEntry = {
      // The oldest format tells folders by their names.
      type: type === 'file' && header.flag !== 'S' && name.endsWith('/') ? 'dir' : type,
      name,
      linkName,
      mode: header.mode,
      uid: checkedId(name, number('uid', header.uid)),
      gid: checkedId(name, number('gid', header.gid)),
      mtime: mtime === undefined ? { sec: header.mtimeSec, ns: 0 } : paxTime('mtime', mtime),
      devMajor: header.devMajor,
      devMinor: header.devMinor,
      storedBytes: 0,
      realBytes: 0,
      spans: undefined,
      attributes: [...pax.values]
        .filter(([key]) => key.startsWith(attributePrefix))
        .map(([key, text]) => [key.slice(attributePrefix.length), text]),
    };
    const storedBytes = number('size', header.size);
    if (type === 'file') this.layOut(entry, { block, header, pax, storedBytes });
    return entry;
  }

  /** How much data a file has in the archive, and where in the file it goes. */
  private layOut(
    entry: TarEntry,
    {
      block,
      header,
      pax,
      storedBytes,
    }: { block: Buffer; header: RawHeader; pax: PaxRecords; storedBytes: number },
  ): void {
    const { values, sparseMap } = pax;
    entry.storedBytes = storedBytes;
    entry.realBytes = storedBytes;
    const realSize = values.get('GNU.sparse.realsize') ?? values.get('GNU.sparse.size');
    const map = values.get('GNU.sparse.map');
    if (header.flag === 'S') {
      // The map is in the header: it is read before further blocks take the header's place.
      const { numbers, realBytes } = readOldGnuMap(Buffer.from(block), this.mustBlock);
      entry.realBytes = realBytes;
      entry.spans = sparseMapOf(numbers, { realBytes, storedBytes });
    } else if (values.get('GNU.sparse.major') === '1') {
      const realBytes = paxNumber('GNU.sparse.realsize', realSize ?? '');
      const { numbers, blocks } = readDecimalMap(this.mustBlock);
      entry.storedBytes = storedBytes - blocks * blockBytes;
      entry.realBytes = realBytes;
      entry.spans = sparseMapOf(numbers, { realBytes, storedBytes: entry.storedBytes });
    } else if (map !== undefined || sparseMap.length > 0) {
      const realBytes = paxNumber('GNU.sparse.size', realSize ?? '');
      const numbers =
        map === undefined ? sparseMap : map.split(',').map((text) => paxNumber('GNU.sparse.map', text));
      entry.realBytes = realBytes;
      entry.spans = sparseMapOf(numbers, { realBytes, storedBytes });
    }
    if (entry.type === 'dir' && storedBytes > 0) throw damaged(`the folder ${shown(entry.name)} has data`);
  }
}

function untilNul(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString('latin1', 0, end < 0 ? body.length : end);
}

function checkedId(name: string, id: number): number {
  if (id >= 0 && id <= idMax) return id;
  throw damaged(`the entry ${shown(name)} belongs to the impossible id ${id}`);
}

function checkName(name: string): void {
  if (name.length >= nameMaxBytes) throw hostile(`the name ${shown(name)} is too long`);
  for (const part of name.split('/')) {
    if (part === '..') throw hostile(`the entry ${shown(name)} climbs out of the layer`);
    if (part.length > partMaxBytes) throw hostile(`the name ${shown(name)} has a part that is too long`);
  }
}
