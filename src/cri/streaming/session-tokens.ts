import { NodeletError } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Random } from '../../ports/random.js';

const lifetimeMs = 60_000;
const tokenBytes = 16;
/** More waiting sessions than this are a client that never comes for them. */
const maxWaiting = 1000;

/** Sessions by one-time token: whoever redeems one first has it, and after a minute nobody. */
export class SessionTokens<Session> {
  private readonly waiting = new Map<string, { session: Session; expire: () => void }>();

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  issue(session: Session): string {
    if (this.waiting.size >= maxWaiting) {
      throw new NodeletError('exhausted', `${maxWaiting} streaming sessions wait for their client`, {
        remedy: 'connect to the URLs that were answered, or wait a minute until they expire',
      });
    }
    const token = this.random.hex(tokenBytes);
    const expire = this.clock.after(lifetimeMs, () => this.waiting.delete(token));
    this.waiting.set(token, { session, expire });
    return token;
  }

  /** The session that a token stands for, which stays good. */
  peek(token: string): Session | undefined {
    return this.waiting.get(token)?.session;
  }

  /** The session of a token that is known, in time and not used before. */
  redeem(token: string): Session | undefined {
    const found = this.waiting.get(token);
    if (found === undefined) return undefined;
    this.waiting.delete(token);
    found.expire();
    return found.session;
  }

  clear(): void {
    for (const { expire } of this.waiting.values()) expire();
    this.waiting.clear();
  }
}
