import type { TellingFacts } from './facts.ts';
import { playFault } from './faults.ts';
import type { Options } from './options.ts';
import { good, refusal } from './scene.ts';
import type { Script, Telling } from './script.ts';

/** A fault's name and the number behind its colon. */
function readFault(text: string): { mode: string; value: number | undefined } {
  const [mode = '', number] = text.split(':');
  const value = Number(number);
  return { mode, value: number === undefined || !Number.isFinite(value) ? undefined : value };
}

/** The answer as a script, with the fault that `options` ask for. A mode nobody knows is refused with a 400 that says so. */
export function tell(telling: Telling, facts: TellingFacts, options: Options): Script {
  if (options.fault === undefined || options.fault === 'none') {
    return good({ telling, facts, options, value: undefined });
  }
  const { mode, value } = readFault(options.fault);
  const scene = { telling, facts, options, value };
  return (
    playFault(mode, scene) ?? refusal(scene, { status: 400, message: `Unknown simulator fault \`${mode}\`.` })
  );
}
