import type { Config } from '../app/config/index.ts';
import { probeSecrets } from '../app/secret-probe.ts';
import type { OutputOf } from '../control/contract.ts';
import { connect } from './connect.ts';
import type { Finding } from './examine.ts';
import type { Terminal } from './terminal.ts';
import type { DoctorOptions } from './verbs/doctor.ts';

type Warning = OutputOf<'getStatus'>['warnings'][number];

const SECRET = /^provider /;

/** A provider that cannot be called stands in the way; a budget that acts otherwise than meant does not. */
function findingOf({ about, problem, remedy }: Warning): Finding {
  const fatal = SECRET.test(about);
  const check = `${about.slice(0, 1).toUpperCase()}${about.slice(1)}`;
  return { check, result: fatal ? 'fail' : 'warn', message: problem, remedy };
}

/** What the gateway that runs says; `undefined` when it cannot be asked. */
async function told(options: DoctorOptions, terminal: Terminal): Promise<readonly Warning[] | undefined> {
  try {
    return (await connect(options, terminal).call('getStatus', {})).warnings;
  } catch {
    // Whether it answers, and whether its key is here, other checks tell.
    return undefined;
  }
}

/** Secrets that cannot be read and budgets that cannot act as they say: by the gateway itself, else by trying the references. */
export async function examineLive(
  options: DoctorOptions,
  terminal: Terminal,
  { runs, config }: { readonly runs: boolean; readonly config: Config | undefined },
): Promise<readonly Finding[]> {
  const warnings =
    (runs ? await told(options, terminal) : undefined) ??
    (config === undefined ? [] : await probeSecrets(config, terminal.environment));
  return warnings.map(findingOf);
}
