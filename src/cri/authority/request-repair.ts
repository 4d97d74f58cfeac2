import { FrameSplitter, frameFlags, frameTypes, framesOf } from './frames.js';
import type { Piece } from './frames.js';
import { HpackDecoder, encodeLiterals } from './hpack.js';
import type { HeaderField } from './hpack.js';

/** Characters that nghttp2 takes in an authority, less a few that no address needs. */
const acceptable = /^[A-Za-z0-9\-._~%:@[\]]+$/;
const substitute: HeaderField = { name: ':authority', value: 'localhost', sensitive: false };

/** Whether Node's HTTP/2 server takes a request with these fields. Trailers, which have no pseudo-headers, are fine as well. */
export function hasGoodAuthority(fields: readonly HeaderField[]): boolean {
  if (!fields.some(({ name }) => name === ':method')) return true;
  const authorities = fields.filter(({ name }) => name === ':authority');
  return authorities.length > 0 && authorities.every(({ value }) => acceptable.test(value));
}

/** The same fields with `localhost` for an authority that is missing or odd; a `host` field, which repeats it, goes. */
function withGoodAuthority(fields: readonly HeaderField[]): readonly HeaderField[] {
  if (hasGoodAuthority(fields)) return fields;
  const mended = fields.flatMap((field) =>
    field.name === 'host' ? [] : field.name === ':authority' ? [substitute] : [field],
  );
  return fields.some(({ name }) => name === ':authority') ? mended : [substitute, ...mended];
}

/** Rewrites what one client sends so that every request has an authority; all but the header blocks stays byte for byte. */
export class RequestRepair {
  private readonly splitter = new FrameSplitter();
  private readonly decoder = new HpackDecoder();

  /** `ownSettings`: SETTINGS frames that the client must still acknowledge, of which the server behind knows nothing. */
  constructor(private ownSettings = 0) {}

  /** What to pass on; `invalid` when the client doesn't keep to HTTP/2. */
  feed(chunk: Buffer): Buffer {
    return Buffer.concat([...this.splitter.feed(chunk)].map((piece) => this.repaired(piece)));
  }

  private repaired(piece: Piece): Buffer {
    if (piece.kind === 'headers') {
      const fields = this.decoder.decode(piece.block.fragment);
      return framesOf({ ...piece.block, fragment: encodeLiterals(withGoodAuthority(fields)) });
    }
    if (this.ownSettings > 0 && isSettingsAck(piece)) {
      this.ownSettings -= 1;
      return Buffer.alloc(0);
    }
    return piece.bytes;
  }
}

export const isSettingsAck = (piece: Piece): boolean =>
  piece.kind === 'head' && piece.type === frameTypes.settings && (piece.flags & frameFlags.ack) !== 0;
