import pino from 'pino';
import type { DestinationStream, Logger } from 'pino';
import type { Log } from '../base/call-context.js';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  /** Lines below this level are dropped; default `info`. */
  level?: LogLevel;
  /** Where the lines go; default stderr, written at once so that no line is lost in a crash. */
  destination?: DestinationStream;
}

/** The log of a nodelet process: one JSON object per line, time in ISO 8601, level by name. */
export function createLog({ level = 'info', destination }: LogOptions = {}): Log {
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination({ dest: 2, sync: true }),
  );
  return adapt(logger);
}

function adapt(logger: Logger): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => adapt(logger.child(fields)),
  };
}
