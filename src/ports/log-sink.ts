/** Operational log. Fields are scalars picked by the caller: never a headers object, body or error with a secret. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** Allow-listed scalar facts. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;
