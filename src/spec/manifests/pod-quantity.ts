const suffixes: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * The value of a Kubernetes quantity in its base unit (cores, bytes): decimal (`0.5`), decimal exponent (`1e3`), SI or binary
 * suffix (`500m`, `64Mi`). Undefined when it isn't one.
 */
export function parseQuantity(text: string | number): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]))?$/.exec(
    String(text),
  );
  if (match === null) return undefined;
  const factor = match[2] === undefined ? suffixes[match[3] ?? ''] : 10 ** Number(match[2]);
  return factor === undefined ? undefined : Number(match[1]) * factor;
}

/** Thousandths of a core, rounded up as Kubernetes does. A refused quantity counts as 0: validation comes first. */
export function milliCpu(quantity: string | number): number {
  return Math.ceil(Number(((parseQuantity(quantity) ?? 0) * 1000).toPrecision(12)));
}

/** Whole bytes, rounded up. */
export function quantityBytes(quantity: string | number): number {
  return Math.ceil(parseQuantity(quantity) ?? 0);
}
