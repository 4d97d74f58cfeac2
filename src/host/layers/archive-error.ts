import { NodeletError } from '../../base/errors.js';

const field = 'manifest.layers';

/** The archive can't be what anybody meant to push. */
export const damaged = (what: string): NodeletError =>
  new NodeletError('corrupt', `the layer can't be unpacked: ${what}`, {
    field,
    remedy: 'push the image again; nothing of it was kept',
  });

/** The archive tries what no honest one does. */
export const hostile = (what: string): NodeletError =>
  new NodeletError('corrupt', `the layer is refused: ${what}`, {
    field,
    remedy: 'the image is damaged or hostile; nothing of it was kept',
  });

export const unsupported = (what: string, remedy: string): NodeletError =>
  new NodeletError('unsupported', `the layer can't be unpacked: ${what}`, { field, remedy });

export const overLimit = (limit: string, what: string): NodeletError =>
  new NodeletError('exhausted', `the layer ${what}`, {
    field: `images.limits.${limit}`,
    remedy: `if the image can be trusted, raise images.limits.${limit} in the configuration`,
  });

/** A name of the archive for people: what isn't plain text is escaped. */
export function shown(name: string): string {
  const decoded = Buffer.from(name, 'latin1').toString('utf8');
  const whole = JSON.stringify(decoded.includes('\ufffd') ? name : decoded);
  return whole.length > 200 ? `${whole.slice(0, 200)}…"` : whole;
}
