import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { BuiltEntry } from './archive-builder.js';

/** An entry and what it must become. */
interface Planned {
  name: string;
  kind: 'file' | 'dir' | 'symlink' | 'fifo' | 'char' | 'block' | 'link';
  content: Buffer;
  /** Bytes of holes before and behind the content; 0 for an ordinary file. */
  holeBytes: number;
  mode: number;
  uid: number;
  gid: number;
  mtime: { sec: number; ns: number };
  attribute: Buffer | undefined;
  target: string;
  format: 'ustar' | 'gnu';
}

export interface RandomArchive {
  entries: BuiltEntry[];
  /** By name: what tests compare with the facts of the folder, see tree-snapshot.ts. */
  expected: Record<
    string,
    { type: string; mode: string; owner: string; mtime: string; content: string; attribute: string }
  >;
}

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const parts = fc.oneof(
  fc.constantFrom(
    'bin',
    'lib',
    'a b',
    'x'.repeat(100),
    'y'.repeat(200),
    latin1('ä€'),
    'new\nline',
    '"quote\\',
    '-n',
    '\xff\xfea',
  ),
  fc.string({ minLength: 1, maxLength: 12 }).map((text) =>
    latin1(text)
      .replace(/[/\0]|^\.+$|^\.wh\./g, '_')
      .slice(0, 200),
  ),
);
const ids = fc.constantFrom(0, 0, 1, 1000, 65_534, 2_097_151, 2_097_152, 4_000_000_000);
const flags = { file: '0', dir: '5', symlink: '2', fifo: '6', char: '3', block: '4', link: '1' } as const;

const planned = fc.record({
  part: parts,
  parent: fc.nat({ max: 20 }),
  kind: fc.constantFrom<Planned['kind']>(
    'file',
    'file',
    'file',
    'dir',
    'dir',
    'symlink',
    'fifo',
    'char',
    'block',
    'link',
  ),
  content: fc.oneof(
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    fc.nat({ max: 700_000 }).map((bytes) => Buffer.alloc(bytes, 'layer')),
  ),
  holeBytes: fc.constantFrom(0, 0, 0, 4096, 3_000_000),
  mode: fc.constantFrom(0o644, 0o755, 0o600, 0, 0o777, 0o4755, 0o2755, 0o1777, 0o7777, 0o444),
  uid: ids,
  gid: ids,
  mtime: fc.record({
    sec: fc.oneof(fc.constantFrom(0, 1_600_000_000, 8 ** 11 + 5), fc.nat()),
    ns: fc.oneof(fc.constant(0), fc.nat({ max: 999_999_999 })),
  }),
  attribute: fc.option(
    fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    { nil: undefined, freq: 3 },
  ),
  target: fc.constantFrom(
    'lib',
    '../lib',
    '/etc/passwd',
    'x'.repeat(150),
    '../../../../outside',
    latin1('ä'),
  ),
  format: fc.constantFrom('ustar' as const, 'gnu' as const),
});

/** Archives whose entries come in any order and have names that differ, with what their folder must be. */
export const randomArchive: fc.Arbitrary<RandomArchive> = fc
  .tuple(fc.array(planned, { maxLength: 25 }), fc.infiniteStream(fc.nat()))
  .map(([items, order]) => {
    const folders = [''];
    const files: string[] = [];
    const plans = new Map<string, Planned>();
    for (const { part, parent, ...item } of items) {
      const above = folders[parent % folders.length] ?? '';
      const name = above === '' ? part : `${above}/${part}`;
      if (plans.has(name) || name.length > 3000) continue;
      const target = item.kind === 'link' ? (files[parent % Math.max(1, files.length)] ?? '') : item.target;
      if (item.kind === 'link' && target === '') continue;
      if (item.kind === 'dir') folders.push(name);
      if (item.kind === 'file') files.push(name);
      plans.set(name, { ...item, name, target });
    }
    const all = [...plans.values()];
    const places = new Map(all.map((plan, index) => [plan, order.next().value ?? index]));
    const shuffled = all.toSorted((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
    return {
      entries: shuffled.map(entryOf),
      expected: Object.fromEntries(all.map((plan) => [plan.name, factsOf(plan, plans)])),
    };
  });

function entryOf(plan: Planned): BuiltEntry {
  const { name, kind, mode, uid, gid, mtime, format } = plan;
  const pax: Record<string, string> = {};
  if (mtime.ns !== 0) pax['mtime'] = `${mtime.sec}.${String(mtime.ns).padStart(9, '0')}`;
  if (hasAttribute(plan)) pax['SCHILY.xattr.user.random'] = plan.attribute?.toString('latin1') ?? '';
  const entry: BuiltEntry = {
    name: kind === 'dir' ? `${name}/` : name,
    flag: flags[kind],
    mode,
    uid,
    gid,
    mtime: mtime.sec,
    format,
    pax,
    ...((kind === 'symlink' || kind === 'link') && { linkName: plan.target }),
    ...((kind === 'char' || kind === 'block') && { device: [300, 70_000] as [number, number] }),
    ...(kind === 'file' && { content: plan.content }),
  };
  return kind === 'file' && plan.holeBytes > 0 ? asSparse(entry, plan) : entry;
}

/** The form 1.0 of pax, or the old one of GNU. */
function asSparse(entry: BuiltEntry, { content, holeBytes }: Planned): BuiltEntry {
  const realBytes = content.length + 2 * holeBytes;
  if (entry.format === 'gnu') {
    const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
    return {
      ...entry,
      flag: 'S',
      spoil: (head) => {
        head.write(octal(holeBytes) + octal(content.length) + octal(realBytes) + octal(0), 386, 'latin1');
        head.write(octal(realBytes), 483, 'latin1');
      },
    };
  }
  const map = Buffer.from(`2\n${holeBytes}\n${content.length}\n${realBytes}\n0\n`);
  const padding = Buffer.alloc(512 - map.length);
  const pax = {
    ...entry.pax,
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': entry.name,
    'GNU.sparse.realsize': String(realBytes),
  };
  return { ...entry, name: 'GNUSparseFile.0/x', pax, content: Buffer.concat([map, padding, content]) };
}

const hasAttribute = ({ kind, attribute }: Planned): boolean =>
  attribute !== undefined && (kind === 'file' || kind === 'dir');

function factsOf(plan: Planned, plans: ReadonlyMap<string, Planned>): RandomArchive['expected'][string] {
  const seen = plan.kind === 'link' ? (plans.get(plan.target) ?? plan) : plan;
  const { kind, mode, uid, gid, mtime, content, holeBytes, target, attribute } = seen;
  const hole = Buffer.alloc(holeBytes);
  return {
    type: kind,
    mode: kind === 'symlink' ? '777' : mode.toString(8),
    owner: `${uid}:${gid}`,
    mtime: String(BigInt(mtime.sec) * 1_000_000_000n + BigInt(mtime.ns)),
    content:
      kind === 'file'
        ? createHash('sha256').update(hole).update(content).update(hole).digest('hex')
        : kind === 'symlink'
          ? target
          : kind === 'char' || kind === 'block'
            ? 'device 300:70000'
            : '',
    attribute: hasAttribute(seen) ? `0x${attribute?.toString('hex') ?? ''}` : '',
  };
}
