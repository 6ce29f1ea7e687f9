import type { InputOf } from '../../control/contract.ts';
import type { FieldChange } from './compare.ts';
import type { Call } from './gather.ts';
import { KINDS, type KindName } from './kinds.ts';
import type { Ids } from './references.ts';

type Tree = Readonly<Record<string, unknown>>;

/** One call that a plan makes. */
export interface Step {
  readonly action: 'create' | 'update' | 'delete';
  readonly kind: string;
  readonly name: string;
  readonly changes: readonly FieldChange[];
  /** Carries it out. Answers the secret of a key that was made. */
  run(call: Call): Promise<{ readonly secret?: string } | undefined>;
}

interface Around {
  readonly kind: KindName;
  readonly organization: string;
  readonly name: string;
  readonly ids: Ids;
}

/** Names as ids, and without what the API takes in calls of its own. */
function inputOf({ kind, organization, ids }: Around, tree: Tree): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(tree)) {
    const reference = (KINDS[kind].references as Record<string, readonly [string, string]>)[field];
    if (reference !== undefined) {
      input[reference[1]] = typeof value === 'string' ? ids.find(reference[0], organization, value) : value;
    } else if (field === 'scope_id' && typeof value === 'string') {
      input[field] = ids.scope(organization, String(tree['scope']), value);
    } else if (!(kind === 'key' && field === 'blocked')) input[field] = value;
  }
  return input;
}

async function block(call: Call, id: string, blocked: unknown): Promise<void> {
  await call(blocked === true ? 'blockKey' : 'unblockKey', { id });
}

/** Makes a thing. */
export function createStep(step: Around & { readonly state: Tree; readonly place: () => Tree }): Step {
  const { kind, organization, name, ids, state, place } = step;
  return {
    action: 'create',
    kind,
    name,
    changes: [],
    async run(call) {
      const { create } = KINDS[kind];
      const answer = (await call(create, { ...inputOf(step, state), ...place() } as InputOf<
        typeof create
      >)) as unknown as {
        readonly id: string;
        readonly key?: string;
      };
      ids.made(kind, organization, { name, id: answer.id });
      if (kind === 'key' && state['blocked'] === true) await block(call, answer.id, true);
      return kind === 'key' && answer.key !== undefined ? { secret: answer.key } : undefined;
    },
  };
}

/** Changes what differs. */
export function updateStep(
  step: Around & { readonly id: string; readonly changes: readonly FieldChange[]; readonly input: Tree },
): Step {
  const { kind, name, id, changes, input } = step;
  return {
    action: 'update',
    kind,
    name,
    changes,
    async run(call) {
      const { update } = KINDS[kind];
      const rest = inputOf(step, input);
      if (Object.keys(rest).length > 0) await call(update, { ...rest, id } as InputOf<typeof update>);
      if (kind === 'key' && input['blocked'] !== undefined) await block(call, id, input['blocked']);
      return undefined;
    },
  };
}

/** Takes a thing away; a key is revoked. */
export function removeStep(kind: KindName, id: string, name: string): Step {
  return {
    action: 'delete',
    kind,
    name,
    changes: [],
    async run(call) {
      const { remove } = KINDS[kind];
      await call(remove, { id } as InputOf<typeof remove>);
      return undefined;
    },
  };
}
