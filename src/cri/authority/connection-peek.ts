import { FrameSplitter, frameTypes } from './frames.js';
import type { Piece } from './frames.js';
import { HpackDecoder } from './hpack.js';
import { hasGoodAuthority, isSettingsAck } from './request-repair.js';

/** What to do with a connection: `bytes` is all that the client has sent, less what was answered already. */
export type Verdict =
  /** Its first request is fine, and nothing is between it and the server any more. */
  | { way: 'untouched'; bytes: Buffer }
  /** Its requests need repair, or it begins in a way that only the server can answer. */
  | { way: 'repaired'; bytes: Buffer; ownSettings: number }
  /** The client waits for the server's first SETTINGS before it sends a request. */
  | { way: 'greet' }
  | { way: 'wait' };

/** More than a client may send before its first request is judged; then the slower way takes over, which holds nothing. */
const heldMaxBytes = 96 * 1024;
const opening: ReadonlySet<number> = new Set([
  frameTypes.settings,
  frameTypes.windowUpdate,
  frameTypes.priority,
]);

/** Looks at the beginning of a client's connection, up to the headers of its first request. */
export class ConnectionPeek {
  private readonly splitter = new FrameSplitter();
  private readonly held: Buffer[] = [];
  private heldBytes = 0;
  private settingsSeen = false;
  private greeting: 'none' | 'sent' | 'acknowledged' = 'none';
  private judged = false;

  /** Takes the next bytes; `invalid` when the client doesn't speak HTTP/2. After `greet` the caller has sent a SETTINGS frame. */
  see(chunk: Buffer): Verdict {
    let repair = false;
    for (const piece of this.splitter.feed(chunk)) {
      if (this.greeting === 'sent' && isSettingsAck(piece)) {
        this.greeting = 'acknowledged';
        continue;
      }
      this.held.push(piece.bytes);
      this.heldBytes += piece.bytes.length;
      if (!this.judged && !repair) repair = this.needsRepair(piece);
    }
    if (repair || this.heldBytes > heldMaxBytes) return this.verdict('repaired');
    if (this.judged) return this.greeting === 'sent' ? { way: 'wait' } : this.verdict('untouched');
    if (!this.settingsSeen || this.greeting !== 'none') return { way: 'wait' };
    this.greeting = 'sent';
    return { way: 'greet' };
  }

  private needsRepair(piece: Piece): boolean {
    if (piece.kind === 'headers') {
      this.judged = true;
      return !hasGoodAuthority(new HpackDecoder().decode(piece.block.fragment));
    }
    if (piece.kind === 'head' && piece.type === frameTypes.settings) this.settingsSeen = true;
    return piece.kind === 'head' && !opening.has(piece.type);
  }

  private verdict(way: 'untouched' | 'repaired'): Verdict {
    const bytes = Buffer.concat([...this.held, this.splitter.rest]);
    if (way === 'untouched') return { way, bytes };
    return { way, bytes, ownSettings: this.greeting === 'sent' ? 1 : 0 };
  }
}
