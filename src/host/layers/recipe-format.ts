/**
 * A recipe tells how to make an archive again from the folder that it was unpacked into:
 *
 *   magic, then frames: packed bytes (u32) · raw bytes (u32) · operations, packed with deflate
 *
 *   literal    0 · length (u32) · bytes that stand in the archive as they are: headers, padding, data that is in no file
 *   content    1 · length of path (u16) · path · offset, bytes, size of the file (f64 each): a piece of a file
 *   displaced  2 · length of path (u16) · path · index (u32): before here, this path meant that displaced entry
 *   end        3
 *
 * Numbers are little-endian, paths bytes. No operation is split over frames; a literal becomes several.
 */
export const recipeMagic = Buffer.from('nodelet layer recipe 1\n');
export const op = { literal: 0, content: 1, displaced: 2, end: 3 } as const;
export const frameRawBytes = 256 * 1024;
