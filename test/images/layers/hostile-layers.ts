import zlib from 'node:zlib';
import type { ErrorKind } from '../../../src/base/errors.js';
import type { LayerLimits } from '../../../src/ports/layer-archives.js';
import type { BuiltEntry } from './archive-builder.js';
import {
  archiveOf,
  builtEntry,
  dir,
  endMark,
  file,
  link,
  number,
  paxBody,
  symlink,
} from './archive-builder.js';

/** A layer that must be refused, with nothing touched outside of its folder. */
export interface HostileLayer {
  what: string;
  /** As a registry would send it. */
  bytes: Buffer;
  kind: ErrorKind;
  field: string;
  limits?: Partial<LayerLimits>;
}

const layers = 'manifest.layers';
const corrupt = (what: string, entries: BuiltEntry[] | Buffer): HostileLayer => ({
  what,
  bytes: Buffer.isBuffer(entries) ? entries : archiveOf(entries),
  kind: 'corrupt',
  field: layers,
});
const zeros = Buffer.alloc(80 * 1024 * 1024);
const pax = (flag: string, records: [string, string][]): BuiltEntry => ({
  name: 'pax',
  flag,
  content: paxBody(records),
});
const whole = archiveOf([dir('a'), file('a/f', 'x'.repeat(2000)), file('a/g', 'y')]);
const gzip = zlib.gzipSync(whole);
const sparse = (numbers: string, realSize = '1000'): BuiltEntry =>
  file('s', 'x'.repeat(10), { pax: { 'GNU.sparse.map': numbers, 'GNU.sparse.size': realSize } });

/** `outside` is a folder beside the layer's own, which is two below their common parent. */
export const hostileLayers = (outside: string): HostileLayer[] => [
  // Names that lead out.
  corrupt('a name that climbs out', [file('../escaped', 'x')]),
  corrupt('a name that climbs out in its middle', [dir('a'), file('a/../../escaped', 'x')]),
  corrupt('a folder that climbs out', [dir('..')]),
  corrupt('an absolute name that climbs out', [file('/../../escaped', 'x')]),
  corrupt('a name in an extended header that climbs out', [
    file('fine', 'x', { pax: { path: '../escaped' } }),
  ]),
  corrupt('a long name of GNU form that climbs out', [
    file(`${'a/'.repeat(60)}${'../'.repeat(70)}escaped`, 'x', { format: 'gnu' }),
  ]),
  corrupt('a name of a sparse file that climbs out', [file('s', '', { pax: { 'GNU.sparse.name': '../s' } })]),
  corrupt('a name with a zero byte', [file('a', 'x', { pax: { path: 'a\0b' } })]),
  corrupt('a name longer than a path may be', [file('a', 'x', { pax: { path: 'a/'.repeat(2100) } })]),
  corrupt('a part of a name longer than a name may be', [file('a'.repeat(256), 'x')]),
  corrupt('a root that is no folder', [file('./', 'x', { flag: '2', linkName: outside })]),

  // Symbolic links.
  corrupt('a file behind an absolute link', [symlink('l', outside), file('l/file', 'x')]),
  corrupt('a file behind a link that climbs', [symlink('l', '../../outside'), file('l/file', 'x')]),
  corrupt('a folder behind a link', [symlink('l', outside), dir('l/made')]),
  corrupt('a file behind a chain of links', [symlink('a', 'b'), symlink('b', outside), file('a/file', 'x')]),
  corrupt('a file behind a hard link to a link', [
    symlink('l', outside),
    link('h', 'l'),
    file('h/file', 'x'),
  ]),
  corrupt('a file behind links in a circle', [symlink('a', 'b'), symlink('b', 'a'), file('a/file', 'x')]),
  corrupt('a file behind a folder that became a link', [
    dir('d'),
    file('d/f', 'x'),
    symlink('d', outside),
    file('d/g', 'x'),
  ]),
  corrupt('a file below a file', [file('f', 'x'), file('f/g', 'x')]),
  corrupt('a link without a target', [symlink('l', '')]),
  corrupt('a link to the inside of /proc', [symlink('l', '/proc/self/root'), file('l/file', 'x')]),

  // Hard links.
  corrupt('a hard link to a file of the host', [link('h', `${outside}/secret`)]),
  corrupt('a hard link that climbs out', [link('h', '../../outside/secret')]),
  corrupt('a hard link through a link that leads out', [symlink('l', outside), link('h', 'l/secret')]),
  corrupt('a hard link to a folder', [dir('d'), link('h', 'd')]),
  corrupt('a hard link to nothing', [link('h', 'nothing')]),
  corrupt('hard links that wait for each other', [link('a', 'b'), link('b', 'a')]),
  corrupt('a hard link to what the layer hides', [file('.wh.gone'), link('h', 'gone')]),

  // Whiteouts.
  corrupt('a whiteout that climbs out', [file('../../outside/.wh.secret')]),
  corrupt('a whiteout behind a link', [symlink('l', outside), file('l/.wh.secret')]),
  corrupt('an opaque mark behind a link', [symlink('l', outside), file('l/.wh..wh..opq')]),
  corrupt('a whiteout of the folder above', [dir('a'), file('a/.wh...')]),
  corrupt('a whiteout of the folder itself', [dir('a'), file('a/.wh..')]),
  corrupt('a whiteout of nothing', [file('a/.wh.')]),
  corrupt('an entry below a whiteout', [file('.wh.d/f', 'x')]),

  // Archives that are none, or damaged.
  corrupt('no archive', Buffer.alloc(2048, 'x')),
  corrupt('an archive that ends within a file', whole.subarray(0, 1500)),
  corrupt('an archive that ends within a header', whole.subarray(0, 700)),
  corrupt(
    'an archive that ends behind an extended header',
    archiveOf([pax('x', [['path', 'a']])], Buffer.alloc(0)),
  ),
  corrupt('a header with a wrong checksum', Buffer.concat([Buffer.from('y'), whole.subarray(1)])),
  corrupt('compression that breaks off', gzip.subarray(0, -6)),
  corrupt(
    'compression that is damaged',
    Buffer.concat([gzip.subarray(0, 40), Buffer.alloc(8, 0xff), gzip.subarray(48)]),
  ),
  corrupt(
    'compression with a wrong checksum',
    Buffer.concat([gzip.subarray(0, -8), Buffer.alloc(4, 1), gzip.subarray(-4)]),
  ),
  corrupt('zstd that is damaged', Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(64, 0xff)])),
  { ...corrupt('xz', Buffer.from('fd377a585a000000', 'hex')), kind: 'unsupported' },
  { ...corrupt('bzip2', Buffer.from('BZh91AY&SY')), kind: 'unsupported' },
  { ...corrupt('an entry of an unknown type', [file('a', '', { flag: 'V' })]), kind: 'unsupported' },

  // Numbers that lie.
  corrupt('a file larger than the archive', [file('a', 'x', { claimedBytes: 1_000_000 })]),
  corrupt('a negative size', [file('a', '', { claimedBytes: -1 })]),
  corrupt('a size beyond all files', [file('a', '', { claimedBytes: 2 ** 44 })]),
  corrupt('a size that is no number', [file('a', '', { spoil: (head) => void head.write('zzz', 124) })]),
  corrupt('a size that no number holds', [file('a', '', { spoil: (head) => head.fill(0xbf, 124, 136) })]),
  corrupt('a user that is -1', [file('a', '', { uid: 0xffff_ffff })]),
  corrupt('a negative group', [file('a', '', { spoil: (head) => number(head, -5, [116, 8]) })]),
  corrupt('a size in an extended header that is negative', [file('a', 'x', { pax: { size: '-1' } })]),
  corrupt('a time that is none', [file('a', 'x', { pax: { mtime: 'yesterday' } })]),

  // Extended headers.
  corrupt(
    'an extended header of 100 MB',
    Buffer.concat([builtEntry({ name: 'pax', flag: 'x', claimedBytes: 100_000_000 }), endMark]),
  ),
  corrupt('a long name of 2 MB', [
    { name: 'l', flag: 'L', content: Buffer.alloc(2_000_000, 'a') },
    file('a'),
  ]),
  corrupt('an extended header that is malformed', [
    { name: 'pax', flag: 'x', content: Buffer.from('99 path=a\n') },
    file('a'),
  ]),
  corrupt('a record without a length', [
    { name: 'pax', flag: 'x', content: Buffer.from('path=a\n') },
    file('a'),
  ]),
  corrupt('a record of no length', [{ name: 'pax', flag: 'x', content: Buffer.from('0 a=b\n') }, file('a')]),
  corrupt('a global header that is malformed', [
    { name: 'pax', flag: 'g', content: Buffer.from('xx') },
    file('a'),
  ]),

  // Sparse files.
  corrupt('a sparse map that overlaps itself', [sparse('0,5,3,5')]),
  corrupt('a sparse map beyond the file', [sparse('0,5,998,5')]),
  corrupt('a sparse map of other sizes', [sparse('0,5')]),
  corrupt('a sparse map with half an entry', [sparse('0,10,20')]),
  corrupt('a sparse file of an exabyte', [sparse('0,10', String(2 ** 50))]),
  corrupt('a sparse map without end', [
    file('s', Buffer.from('999999\n1\n'), {
      pax: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '10' },
    }),
  ]),
  corrupt('an old sparse map without end', [
    file('s', Buffer.alloc(1024), { flag: 'S', format: 'gnu', spoil: (head) => void (head[482] = 1) }),
  ]),

  // Bombs.
  {
    ...corrupt(
      'zeros that gzip makes a thousand times smaller',
      zlib.gzipSync(archiveOf([file('zeros', zeros)])),
    ),
    kind: 'exhausted',
    field: 'images.limits.maxRatio',
  },
  {
    ...corrupt('zeros behind the end of the archive', zlib.gzipSync(Buffer.concat([endMark, zeros]))),
    kind: 'exhausted',
    field: 'images.limits.maxRatio',
  },
  {
    ...corrupt('more bytes than allowed', [file('large', Buffer.alloc(2_000_000))]),
    kind: 'exhausted',
    field: 'images.limits.maxUnpackedBytes',
    limits: { maxUnpackedBytes: 1_000_000 },
  },
  {
    ...corrupt(
      'more entries than allowed',
      Array.from({ length: 101 }, (_, index) => file(String(index))),
    ),
    kind: 'exhausted',
    field: 'images.limits.maxEntries',
    limits: { maxEntries: 100 },
  },
  {
    ...corrupt(
      'extended headers for nothing',
      Array.from({ length: 101 }, () => pax('x', [['comment', 'x']])),
    ),
    kind: 'exhausted',
    field: 'images.limits.maxEntries',
    limits: { maxEntries: 100 },
  },
  corrupt(
    'a file that replaces itself for ever',
    Array.from({ length: 10_002 }, () => file('f', 'x')),
  ),
];
