/** Exit codes of every verb. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** A refusal of the command line itself: one sentence that says what to do, and the exit code. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** A value on the command line that cannot be used; exit code 2. */
export function badUsage(message: string): CliFailure {
  return new CliFailure('bad_usage', message, EXIT.usage);
}

/** What is shown of an error: our own sentences as they are, anything else named as unexpected, never a stack. */
export function describeFailure(error: unknown): { code: string; message: string; exitCode: number } {
  if (error instanceof CliFailure)
    return { code: error.code, message: error.message, exitCode: error.exitCode };
  if (error instanceof Error && (error.name === 'SluiceError' || error.name === 'ApiError')) {
    return { code: (error as Error & { code: string }).code, message: error.message, exitCode: EXIT.failed };
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    const message = 'This port is taken. Stop what runs there, or choose another with --port.';
    return { code: 'conflict', message, exitCode: EXIT.failed };
  }
  const text = error instanceof Error ? error.message : String(error);
  return { code: code ?? 'internal', message: `This did not work: ${text}`, exitCode: EXIT.failed };
}
