/**
 * Makes one frozen message for each source, and gives it again: sources are never changed but replaced. Whoever sends frozen
 * messages encodes them once (cri/message-writer.ts).
 */
export function frozenOnce<Source extends object, Message extends object>(
  make: (source: Source) => Message,
): (source: Source) => Message {
  const made = new WeakMap<Source, Message>();
  return (source) => {
    const known = made.get(source);
    if (known !== undefined) return known;
    const message = Object.freeze(make(source));
    made.set(source, message);
    return message;
  };
}
