/** Logs to stderr. The field names are fixed; docs/logging.md lists them. */
import { type Logger, pino } from 'pino';
import type { Config } from '../config/schema.js';

export async function createLogger({ level, format }: Config['log'], terminal: boolean): Promise<Logger> {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (format === 'json' || (format === 'auto' && !terminal))
    return pino(options, pino.destination({ dest: 2, sync: true }));
  const { PinoPretty } = await import('pino-pretty');
  return pino(
    options,
    PinoPretty({ destination: 2, sync: true, colorize: terminal, translateTime: 'SYS:HH:MM:ss.l' }),
  );
}
