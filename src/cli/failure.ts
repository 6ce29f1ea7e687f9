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

const NO_SUCH_HOST = 'The host is no address of this machine. Choose another with --host.';

/** What keeps a verb from listening, by the system's code. */
const LISTEN_REFUSALS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'This port is taken. Stop what runs there, or choose another with --port.',
  EACCES: 'This user may not listen on this port. Choose one above 1023 with --port.',
  EADDRNOTAVAIL: NO_SUCH_HOST,
  ENOTFOUND: NO_SUCH_HOST,
  EAI_AGAIN: NO_SUCH_HOST,
};

/** What keeps a verb from a file or folder, by the system's code. */
const PLACE_REFUSALS: Readonly<Record<string, (path: string) => string>> = {
  EEXIST: (path) => `${path} is there already, and is not what is needed. Move it away.`,
  EISDIR: (path) => `${path} is a folder. Name a file.`,
  ENOENT: (path) => `${path} does not exist, or the folder it should stand in.`,
  ENOSPC: (path) => `${path} cannot be written: the disk is full. Make room.`,
  ENOTDIR: (path) => `A part of ${path} is no folder. Name another place.`,
  EROFS: (path) => `${path} is on a disk that can only be read. Name another place.`,
};

/** What is shown of an error: our own sentences as they are, anything else named as unexpected, never a stack. */
export function describeFailure(error: unknown): { code: string; message: string; exitCode: number } {
  if (error instanceof CliFailure)
    return { code: error.code, message: error.message, exitCode: error.exitCode };
  if (error instanceof Error && (error.name === 'SluiceError' || error.name === 'ApiError')) {
    return { code: (error as Error & { code: string }).code, message: error.message, exitCode: EXIT.failed };
  }
  const { code, path } = error as NodeJS.ErrnoException;
  const refusal = path === undefined ? LISTEN_REFUSALS[code ?? ''] : undefined;
  if (refusal !== undefined) return { code: 'conflict', message: refusal, exitCode: EXIT.failed };
  if ((code === 'EACCES' || code === 'EPERM') && path !== undefined) {
    const message = `This user may not use ${path}. Run it as the user who owns it, or name another place.`;
    return { code: 'forbidden', message, exitCode: EXIT.failed };
  }
  const place = path === undefined ? undefined : PLACE_REFUSALS[code ?? '']?.(path);
  if (place !== undefined) return { code: 'bad_file', message: place, exitCode: EXIT.failed };
  const text = error instanceof Error ? error.message : String(error);
  return { code: code ?? 'internal', message: `This did not work: ${text}`, exitCode: EXIT.failed };
}
