import { NodeletError } from '../base/errors.js';

/** How an OCI runtime was called, for the error's text. */
export interface ToolCall {
  handler: string;
  verb: string;
  /** Field of the request that named the command to run. */
  commandField: string;
}

/** Messages of crun and of runc about a command that isn't in the image, or is no program. */
const cannotRun = /executable file .*not found|exec:? "[^"]+"|open executable|exec format error/i;

/** The message of an OCI runtime as an error of ours: a command that can't run is the caller's fault, the rest the tool's. */
export function toolError({ handler, verb, commandField }: ToolCall, output: string): NodeletError {
  const text = lastMessage(output);
  if (cannotRun.test(text)) {
    return new NodeletError('invalid', `the command can't be run: ${text}`, {
      field: commandField,
      remedy: 'check that the program exists in the image and is executable',
    });
  }
  return new NodeletError('tool-failed', `${handler} ${verb} failed: ${text === '' ? 'no message' : text}`);
}

/** The last line, or its `msg` where the log has the form of JSON or of key=value. */
function lastMessage(output: string): string {
  const line = output.trim().split('\n').at(-1) ?? '';
  const quoted = /"msg":\s*("(?:[^"\\]|\\.)*")|\bmsg=("(?:[^"\\]|\\.)*")/.exec(line);
  const text = quoted?.[1] ?? quoted?.[2];
  return text === undefined ? line : (JSON.parse(text) as string);
}
