/**
 * How much of a repository's name (`registry.lan:5000/team/app`) a prefix covers, so that the longest match can win: undefined
 * when it is no prefix of it. A prefix ends where a part of the path ends; `*.` in front stands for any labels of a host.
 */
export function coveredChars(prefix: string, name: string): number | undefined {
  const [host = '', ...path] = prefix.split('/');
  const [nameHost = '', ...namePath] = name.split('/');
  const wanted = host.toLowerCase();
  const given = nameHost.toLowerCase();
  const isWild = wanted.startsWith('*.');
  const fits = isWild ? given.endsWith(wanted.slice(1)) && given.length >= wanted.length : given === wanted;
  if (!fits || path.some((part, index) => part !== namePath[index])) return undefined;
  return prefix.length - (isWild ? 1 : 0);
}

/** Of the entries whose prefix covers a name, the one that covers most of it. */
export function longestMatch<Entry extends { prefix: string }>(
  entries: Iterable<Entry>,
  name: string,
): Entry | undefined {
  let best: { entry: Entry; chars: number } | undefined;
  for (const entry of entries) {
    const chars = coveredChars(entry.prefix, name);
    if (chars !== undefined && chars > (best?.chars ?? -1)) best = { entry, chars };
  }
  return best?.entry;
}
