import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';

/** Everything about an entry that an archive tells. */
export interface EntryFacts {
  type: string;
  mode: string;
  owner: string;
  /** Nanoseconds since the epoch. */
  mtime: string;
  /** Digest of a file's content, target of a link, number of a device. */
  content: string;
  /** The first name, in order, of an inode that has several. */
  sameAs: string;
  attributes: Record<string, string>;
}

const typeOf = (stat: fs.BigIntStats): string =>
  stat.isDirectory()
    ? 'dir'
    : stat.isFile()
      ? 'file'
      : stat.isSymbolicLink()
        ? 'symlink'
        : stat.isFIFO()
          ? 'fifo'
          : stat.isCharacterDevice()
            ? 'char'
            : 'block';

/** All entries below a folder by their names in latin1, the folder itself as `.`. */
export function snapshotOf(dir: string): Record<string, EntryFacts> {
  const names = ['.', ...walk(dir, '')].sort();
  const attributes = attributesOf(dir);
  const first = new Map<bigint, string>();
  return Object.fromEntries(
    names.map((name) => {
      const at = Buffer.from(`${dir}/${name}`, 'latin1');
      const stat = fs.lstatSync(at, { bigint: true });
      const type = typeOf(stat);
      const sameAs = type === 'dir' || stat.nlink === 1n ? '' : (first.get(stat.ino) ?? name);
      if (sameAs !== '') first.set(stat.ino, sameAs);
      return [
        name,
        {
          type,
          mode: (stat.mode & 0o7777n).toString(8),
          owner: `${stat.uid}:${stat.gid}`,
          mtime: String(stat.mtimeNs),
          content: contentOf(at, type, stat),
          sameAs,
          attributes: attributes[name] ?? {},
        },
      ];
    }),
  );
}

function walk(dir: string, below: string): string[] {
  const names = fs.readdirSync(Buffer.from(`${dir}/${below}`, 'latin1'), { encoding: 'latin1' });
  return names.flatMap((base) => {
    const name = `${below}${base}`;
    const isDir = fs.lstatSync(Buffer.from(`${dir}/${name}`, 'latin1')).isDirectory();
    return isDir ? [name, ...walk(dir, `${name}/`)] : [name];
  });
}

function contentOf(at: Buffer, type: string, stat: fs.BigIntStats): string {
  if (type === 'file') return createHash('sha256').update(fs.readFileSync(at)).digest('hex');
  if (type === 'symlink') return fs.readlinkSync(at, { encoding: 'latin1' });
  if (type !== 'char' && type !== 'block') return '';
  const [major, minor] = [(stat.rdev >> 8n) & 0xfffn, (stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xfff00n)];
  return `device ${major}:${minor}`;
}

/** By name; values in hexadecimal. */
function attributesOf(dir: string): Record<string, Record<string, string>> {
  const text = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: dir,
    encoding: 'latin1',
    maxBuffer: 256 * 1024 * 1024,
  });
  const found: Record<string, Record<string, string>> = {};
  for (const block of text.split('\n\n')) {
    const [head = '', ...lines] = block.split('\n').filter((line) => line !== '');
    const name = head
      .replace('# file: ', '')
      .replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    found[name] = Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
  }
  return found;
}
