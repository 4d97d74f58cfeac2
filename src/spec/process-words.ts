import { NodeletError } from '../base/errors.js';

/** The longest word of a command line or an environment with 4 KiB pages: MAX_ARG_STRLEN without its NUL, execve(2). */
export const wordMaxBytes = 128 * 1024 - 1;

/** Refuses words of a command that the program would get cut or not at all; `field` is the path of their list. */
export function validateWords(words: readonly string[], field: string): void {
  for (const [index, word] of words.entries()) {
    const refuse = (message: string) => new NodeletError('invalid', message, { field: `${field}[${index}]` });
    if (word.includes('\0')) throw refuse('has a NUL, at which the kernel would cut it');
    if (Buffer.byteLength(word) > wordMaxBytes) throw refuse(`is longer than ${wordMaxBytes} bytes`);
  }
}
