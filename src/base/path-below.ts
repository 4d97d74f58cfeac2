/** Whether an absolute path lies below a folder, the folder itself not counted; both without `.`, `..` and symlinks. */
export function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder.replace(/\/+$/, '')}/`) && path !== folder;
}
