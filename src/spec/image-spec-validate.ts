import { NodeletError } from '../base/errors.js';
import type { ImageSpec } from '../ports/cri/messages.js';

/**
 * Refuses an ImageSpec that names no image, or a runtime handler that isn't configured. All handlers share one store,
 * so a known one changes nothing. `field` is the message's path in the request.
 */
export function validateImageSpec(
  spec: ImageSpec | null,
  { field, handlers }: { field: string; handlers: readonly string[] },
): ImageSpec {
  if (spec === null || spec.image === '') {
    throw new NodeletError('invalid', 'no image is named', {
      field: `${field}.image`,
      remedy: 'name an image, for example registry/name:tag',
    });
  }
  validateImageHandler(spec, { field, handlers });
  return spec;
}

/** The part of it that holds for a filter, too, which may name no image. */
export function validateImageHandler(
  { runtime_handler: handler }: ImageSpec,
  { field, handlers }: { field: string; handlers: readonly string[] },
): void {
  if (handler === '' || handlers.includes(handler)) return;
  throw new NodeletError('invalid', `there is no runtime handler "${handler}"`, {
    field: `${field}.runtime_handler`,
    remedy: `leave it out, or take one of: ${handlers.join(', ')}`,
  });
}
