import { NodeletError } from '../base/errors.js';

/** The bytes of keys as docker and podman write them: `ctrl-p,ctrl-q`; nothing for an empty text, which has no way to detach. */
export function parseDetachKeys(text: string): Buffer {
  if (text === '') return Buffer.alloc(0);
  return Buffer.from(
    text.split(',').map((key) => {
      const [, control] = /^ctrl-([a-z@[\\\]^_])$/i.exec(key) ?? [];
      if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
      if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
      throw new NodeletError('invalid', `"${key}" is no key`, {
        field: '--detach-keys',
        remedy: 'name keys one after the other, such as ctrl-p,ctrl-q or ctrl-],d',
      });
    }),
  );
}

/** Looks for the keys that detach in what is typed; those that could be the beginning are held back until it is clear. */
export class DetachWatch {
  private heldBytes = 0;

  constructor(private readonly keys: Buffer) {}

  /** What of the typed bytes is for the other side; behind the keys that detach there is nothing more. */
  take(typed: Buffer): { passed: Buffer; detached: boolean } {
    const { keys } = this;
    const [first] = keys;
    if (first === undefined) return { passed: typed, detached: false };
    const bytes = Buffer.concat([keys.subarray(0, this.heldBytes), typed]);
    for (let start = bytes.indexOf(first); start >= 0; start = bytes.indexOf(first, start + 1)) {
      const candidate = bytes.subarray(start, start + keys.length);
      if (!candidate.equals(keys.subarray(0, candidate.length))) continue;
      // A candidate that is cut off reaches to the end of what was typed.
      this.heldBytes = candidate.length;
      return { passed: bytes.subarray(0, start), detached: candidate.length === keys.length };
    }
    this.heldBytes = 0;
    return { passed: bytes, detached: false };
  }

  /** What is still held back when nothing more is typed. */
  rest(): Buffer {
    const held = this.keys.subarray(0, this.heldBytes);
    this.heldBytes = 0;
    return held;
  }
}
