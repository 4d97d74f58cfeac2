/** For `.catch`: a path that leads to nothing is undefined, any other error stays one. */
export function absentAsUndefined(thrown: unknown): undefined {
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw thrown;
}
