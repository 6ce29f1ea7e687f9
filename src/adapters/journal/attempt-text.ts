import type { AttemptKind, AttemptRecord } from '../../core/cost/exchange.ts';
import type { JsonWriter } from './json-writer.ts';

const ATTEMPT_VALUES = 6;

/** A letter for each kind of attempt; `-` for the first one of an exchange. */
const KIND_LETTERS: Readonly<Record<AttemptKind, string>> = {
  retry: 'r',
  failover: 'o',
  fallback: 'f',
  hedge: 'h',
  restart: 's',
  skipped: 'x',
};
const KINDS = new Map(Object.entries(KIND_LETTERS).map(([kind, letter]) => [letter, kind as AttemptKind]));

/** Attempts one behind the other, six values each; behind them their kinds, a letter each, where any has one. */
export function writeAttempts(to: JsonWriter, attempts: readonly AttemptRecord[]): void {
  to.open();
  let plain = true;
  for (const { provider, upstreamModel, startedAt, latencyMs, status, error, kind } of attempts) {
    to.string(provider);
    to.string(upstreamModel);
    to.number(startedAt);
    // The further digits of a double say nothing and are slow to print.
    to.number(Math.round(latencyMs * 1000) / 1000);
    to.number(status);
    to.string(error);
    plain &&= kind === undefined;
  }
  if (!plain) {
    to.string(attempts.map(({ kind }) => (kind === undefined ? '-' : KIND_LETTERS[kind])).join(''));
  }
  to.close();
}

/** The attempts again. `regions`: where each was processed, in their order. */
export function decodeAttempts(
  values: readonly (string | number | null)[],
  regions: readonly (string | null)[] | undefined,
): AttemptRecord[] {
  const attempts: AttemptRecord[] = [];
  const kinds = values.length % ATTEMPT_VALUES === 0 ? '' : String(values.at(-1));
  for (let at = 0; at + ATTEMPT_VALUES <= values.length; at += ATTEMPT_VALUES) {
    const [provider, upstreamModel, startedAt, latencyMs, status, error] = values.slice(
      at,
      at + ATTEMPT_VALUES,
    );
    const kind = KINDS.get(kinds.charAt(attempts.length));
    attempts.push({
      provider: String(provider),
      upstreamModel: String(upstreamModel),
      startedAt: Number(startedAt),
      latencyMs: Number(latencyMs),
      ...(typeof status === 'number' ? { status } : {}),
      ...(typeof error === 'string' ? { error } : {}),
      ...(kind === undefined ? {} : { kind }),
      ...(typeof regions?.[attempts.length] === 'string'
        ? { region: regions[attempts.length] as string }
        : {}),
    });
  }
  return attempts;
}
