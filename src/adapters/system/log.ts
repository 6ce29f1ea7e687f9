import { pino } from 'pino';
import type { Log } from '../../ports/log-sink.ts';

/** JSON lines on standard error through pino; standard output belongs to the CLI's answers. */
export function createPinoLog(level: string): Log {
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: false }),
  );
  return {
    info: (event, fields) => logger.info({ event, ...fields }),
    warn: (event, fields) => logger.warn({ event, ...fields }),
    error: (event, fields) => logger.error({ event, ...fields }),
  };
}
