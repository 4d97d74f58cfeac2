/** Branded identifiers: a sandbox id can't be passed where a container id is meant. All are plain strings at run time. */
export type SandboxId = string & { readonly __brand: 'SandboxId' };
export type ContainerId = string & { readonly __brand: 'ContainerId' };
/** `sha256:<64 hex>` of an image's config blob: the image id of CRI and of Docker. */
export type ImageId = string & { readonly __brand: 'ImageId' };
