import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';

/** Digests in the forms that image-spec descriptor.md registers: an algorithm, a colon, lower-case hex. */
export const digestForm = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** What a digest of the same algorithm is made with. */
export const hashFor = (digest: string): Hash =>
  createHash(digest.startsWith('sha512:') ? 'sha512' : 'sha256');

/** The digest of bytes, by the algorithm of another one. */
export const digestLike = (digest: string, bytes: Buffer): string =>
  `${digest.startsWith('sha512:') ? 'sha512' : 'sha256'}:${hashFor(digest).update(bytes).digest('hex')}`;

export const sha256Of = (bytes: Buffer): string => digestLike('sha256:', bytes);
