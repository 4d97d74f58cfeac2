/**
 * Whether a version (`6.1.0-13-amd64`, `v20.19.2`, `1.8.1`) is `wanted` (`6.1`) or newer, by as many numbers as `wanted` has.
 * False where it doesn't begin with numbers.
 */
export function isAtLeast(version: string, wanted: string): boolean {
  const numbers = /^v?(\d+(?:\.\d+)*)/.exec(version)?.[1]?.split('.').map(Number);
  if (numbers === undefined) return false;
  for (const [index, want] of wanted.split('.').map(Number).entries()) {
    const part = numbers[index] ?? 0;
    if (part !== want) return part > want;
  }
  return true;
}
