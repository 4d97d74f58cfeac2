import os from 'node:os';
import { NodeletError } from '../base/errors.js';
import type { Signal } from '../ports/cri/messages.js';
import { SignalValues } from '../ports/cri/messages.js';

const realTimeMin = 34;
const realTimeMax = 64;
/** Names that signal(7) has beside those of Node's table. */
const aliases: Record<string, number> = { SIGCLD: 17, SIGRTMIN: realTimeMin, SIGRTMAX: realTimeMax };

/** The signal that asks a container to stop: the request's, else the image's (`SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`), else SIGTERM. */
export function stopSignalNumber(asked: Signal, imageSignal: string): number {
  const { SIGTERM } = os.constants.signals;
  if (asked === 'RUNTIME_DEFAULT' && imageSignal === '') return SIGTERM;
  const [text, field] =
    asked === 'RUNTIME_DEFAULT' ? [imageSignal, 'image StopSignal'] : [asked, 'config.stop_signal'];
  const number = numberOf(text);
  if (number !== undefined) return number;
  throw new NodeletError('invalid', `"${text}" is no signal`, {
    field,
    remedy: 'name it as signal(7) does, or by its number, 1 to 64',
  });
}

/** CRI's name of a signal: the first of those that one number has; RUNTIME_DEFAULT for one that CRI has no name for. */
export function stopSignalName(number: number): Signal {
  return SignalValues.find((name) => numberOf(name) === number) ?? 'RUNTIME_DEFAULT';
}

/** Undefined for what is no signal. Numbers of real-time signals are as programs see them, after the two that the C library keeps. */
function numberOf(text: string): number | undefined {
  const name = text.toUpperCase().replace(/^(?!SIG)/, 'SIG');
  const [, up, down] = /^SIGRT(?:MIN(?:PLUS|\+)(\d+)|MAX(?:MINUS|-)(\d+))$/.exec(name) ?? [];
  const steps = Number(up ?? down ?? Infinity);
  if (steps <= realTimeMax - realTimeMin) return up === undefined ? realTimeMax - steps : realTimeMin + steps;
  if (/^\d+$/.test(text)) return Number(text) >= 1 && Number(text) <= realTimeMax ? Number(text) : undefined;
  return (os.constants.signals as Record<string, number>)[name] ?? aliases[name];
}
