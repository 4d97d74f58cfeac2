import { NodeletError } from '../base/errors.js';

const refuse = (rpc: string) => async (): Promise<never> => {
  throw new NodeletError('unsupported', `runtime.v1.RuntimeService/${rpc} is not implemented by nodelet`);
};

/** The rpcs that no room has a verb for: refused by name. */
export const unimplementedVerbs = {
  UpdateRuntimeConfig: refuse('UpdateRuntimeConfig'),
  // eslint-disable-next-line require-yield
  GetContainerEvents: async function* (): AsyncGenerator<never> {
    await refuse('GetContainerEvents')();
  },
};
