import os from 'node:os';
import { NodeletError } from '../base/errors.js';
import type { Signal } from '../ports/cri/messages.js';

const realTimeMin = 34;
const realTimeMax = 64;
/** Names that signal(7) has beside those of Node's table. */
const aliases: Record<string, number> = { SIGCLD: 17, SIGRTMIN: realTimeMin, SIGRTMAX: realTimeMax };

/** The signal that asks a container to stop: the request's, else the image's (`SIGQUIT`, `QUIT` or `3`), else SIGTERM. */
export function stopSignalNumber(asked: Signal, imageSignal: string): number {
  if (asked !== 'RUNTIME_DEFAULT') return signalNumber(asked, 'config.stop_signal');
  return imageSignal === '' ? os.constants.signals.SIGTERM : signalNumber(imageSignal, 'image StopSignal');
}

function signalNumber(text: string, field: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= realTimeMax) return Number(text);
  const name = text.startsWith('SIG') ? text : `SIG${text}`;
  const known = (os.constants.signals as Record<string, number>)[name] ?? aliases[name];
  if (known !== undefined) return known;
  const offset = /^SIGRT(MIN|MAX)(?:PLUS|MINUS|[+-])(\d+)$/.exec(name);
  if (offset !== null) {
    return offset[1] === 'MIN' ? realTimeMin + Number(offset[2]) : realTimeMax - Number(offset[2]);
  }
  throw new NodeletError('invalid', `"${text}" is no signal`, { field });
}
