import { createPaint, type Paint } from './text.ts';

/** Where a verb reads its surroundings from and writes to; tests put in their own. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether somebody reads standard output on a screen. */
  readonly isTerminal: boolean;
  /** Whether somebody can be asked. */
  readonly canAsk: boolean;
  /** Columns of the screen; `undefined` where output goes to a file or a pipe, which nothing is cut for. */
  readonly width: number | undefined;
  readonly paint: Paint;
  /** A line on standard output. */
  print(line: string): void;
  /** A line on standard error. */
  complain(line: string): void;
  /** Shows what is being waited for on standard error, once it takes longer than a second. Call the answer to end it. */
  progress(label: string): () => void;
}

const PROGRESS_AFTER_MS = 1000;

function startProgress(label: string): () => void {
  const started = Date.now();
  const live = process.stderr.isTTY === true;
  let shown = false;
  const show = () => {
    const seconds = Math.round((Date.now() - started) / 1000);
    if (live) process.stderr.write(`\r${label} … ${seconds} s`);
    else if (!shown) process.stderr.write(`${label} …\n`);
    shown = true;
  };
  const timer = setInterval(show, PROGRESS_AFTER_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    if (shown && live) process.stderr.write('\r\u001b[2K');
  };
}

/** The terminal of this process. */
export function createTerminal(): Terminal {
  const isTerminal = process.stdout.isTTY === true;
  // `sluice logs | head`: a reader that has gone is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    environment: process.env,
    isTerminal,
    canAsk: isTerminal && process.stdin.isTTY === true,
    width: isTerminal ? process.stdout.columns : undefined,
    paint: createPaint(isTerminal, process.env),
    print: (line) => void process.stdout.write(`${line}\n`),
    complain: (line) => void process.stderr.write(`${line}\n`),
    progress: startProgress,
  };
}
