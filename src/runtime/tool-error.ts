import { NodeletError } from '../base/errors.js';

/** The message of an OCI runtime as an error of ours: a missing command is the caller's fault, the rest the tool's. */
export function toolError(handler: string, verb: string, output: string): NodeletError {
  const text = output.trim().split('\n').at(-1) ?? '';
  const missing =
    /executable file [`'"]?([^`'"]*)[`'"]? not found|exec:? "([^"]+)"|open executable: (No such file)/i.exec(
      text,
    );
  if (missing !== null) {
    return new NodeletError('invalid', `the command can't be run: ${text}`, {
      field: 'config.command',
      remedy: 'check that the program exists in the image and is executable',
    });
  }
  return new NodeletError('tool-failed', `${handler} ${verb} failed: ${text === '' ? 'no message' : text}`);
}
