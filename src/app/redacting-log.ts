import type { Log, LogFields } from '../ports/log-sink.ts';

/** Shorter texts are no secrets, and covering them would make nonsense of other words. */
const MIN_LENGTH = 8;
const COVER = '********';

/**
 * A log in which known secrets are covered, wherever they stand. The second net: whoever logs gives no secret to begin
 * with. `secrets` is asked for every line, so it must be cheap.
 */
export function createRedactingLog(log: Log, secrets: () => readonly string[]): Log {
  const clean = (fields: LogFields | undefined): LogFields | undefined => {
    if (fields === undefined) return undefined;
    const text = JSON.stringify(fields);
    let covered = text;
    for (const secret of secrets()) {
      if (secret.length < MIN_LENGTH) continue;
      // As it stands in JSON: quotes and line breaks of a key file are escaped there.
      covered = covered.replaceAll(JSON.stringify(secret).slice(1, -1), COVER);
    }
    return covered === text ? fields : (JSON.parse(covered) as LogFields);
  };
  return {
    info: (event, fields) => log.info(event, clean(fields)),
    warn: (event, fields) => log.warn(event, clean(fields)),
    error: (event, fields) => log.error(event, clean(fields)),
  };
}
