import { createCriClient } from '../../src/cri/client.js';
import { createClock } from '../../src/host/clock.js';
import { newImageSpec, newPullImageRequest, newVersionRequest } from '../../src/ports/cri/messages.js';
import { contextOf, removePods } from './pod-cycle.js';
import type { PodShape } from './pod-cycle.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import type { Workshop } from './workshop.js';

/** Longer than any call should take, even on a machine that is busy. */
const callTimeoutMs = 120_000;

interface Endpoint {
  name: string;
  socketPath: string;
  image: string;
  cgroupParent: string;
}

/** A client of a runtime that is perhaps still starting. */
export function connect(endpoint: Endpoint, shop: Workshop) {
  const { name, socketPath, image, cgroupParent } = endpoint;
  const client = createCriClient({ socketPath, clock: createClock(), timeoutMs: callTimeoutMs });
  shop.undo.push(`connection to ${name}`, async () => client.close());
  const logDir = `${shop.dir}/logs-${name}`;
  const shape: PodShape = { client, image, cgroupParent, logDir, run: shop.id, signal: shop.signal };
  const ready = () => client.runtime.Version(newVersionRequest(), contextOf(shape));
  return {
    /** Fails while nobody answers. */
    ready,
    /** Pulls the image, and sees to it that no pod of this run outlives it. */
    prepare: async (daemonPid: number): Promise<RuntimeUnderTest> => {
      const { runtime_name: runtimeName, runtime_version: version } = await ready();
      shop.undo.push(`pods of ${name}`, () => removePods(shape));
      await client.images.PullImage(
        newPullImageRequest({ image: newImageSpec({ image }) }),
        contextOf(shape),
      );
      return { name, version: `${runtimeName} ${version}`, daemonPid, shape };
    },
  };
}
