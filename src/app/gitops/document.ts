import { z } from 'zod';
import { budgetContract } from '../../control/contracts/budgets.ts';
import { credentialContract } from '../../control/contracts/credentials.ts';
import { limitContract } from '../../control/contracts/limits.ts';
import {
  policyInput,
  projectInput,
  roleInput,
  serviceAccountInput,
  teamInput,
  userInput,
} from '../../control/contracts/place-shapes.ts';
import { priceInput } from '../../control/contracts/price-shapes.ts';
import { keyInput } from '../../control/shapes.ts';
import { nearest } from '../../core/nearest.ts';

const name = z.string().trim().min(1).max(300);
/** Told only where a name alone would not do. */
const id = z.string().min(1).max(100).optional();
const flag = z.boolean().optional();

const budget = budgetContract.createBudget.input.omit({ organization_id: true }).extend({ id, name });
const limit = limitContract.createLimit.input.omit({ organization_id: true }).extend({ id, name });

const organization = z.strictObject({
  name,
  id,
  blocked: flag,
  policy: policyInput.optional(),
  metadata: teamInput.shape.metadata,
  roles: z.array(roleInput.omit({ organization_id: true }).extend({ id })).optional(),
  teams: z
    .array(
      teamInput.omit({ organization_id: true }).extend({
        id,
        projects: z.array(projectInput.omit({ team_id: true }).extend({ id })).optional(),
      }),
    )
    .optional(),
  users: z
    .array(
      userInput.omit({ organization_id: true, role: true, team_id: true }).extend({
        id,
        memberships: z.array(z.strictObject({ role: name, team: name.optional() })).optional(),
      }),
    )
    .optional(),
  service_accounts: z
    .array(
      serviceAccountInput
        .omit({ organization_id: true, team_id: true, project_id: true })
        .extend({ id, team: name.optional(), project: name.optional() }),
    )
    .optional(),
  keys: z
    .array(
      keyInput
        .omit({
          organization_id: true,
          team_id: true,
          project_id: true,
          user_id: true,
          service_account_id: true,
        })
        .extend({
          id,
          team: name.optional(),
          project: name.optional(),
          user: name.optional(),
          service_account: name.optional(),
          blocked: flag,
        }),
    )
    .optional(),
  budgets: z.array(budget).optional(),
  limits: z.array(limit).optional(),
});

/** A credential of a provider. A sealed value is never exported: files name the variable it is taken from when it is made. */
const credential = credentialContract.createCredential.input.extend({
  value: z
    .string()
    .regex(
      /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/,
      'name a variable of the environment, in braces after a dollar: secrets do not stand in files',
    )
    .optional(),
});

/** The whole state kept by the gateway, as files: names instead of ids, no secrets, defaults left out. */
export const stateSchema = z.strictObject({
  version: z.literal(1).optional(),
  organizations: z.array(organization).optional(),
  /** Those that belong to no organization. */
  budgets: z.array(budget).optional(),
  limits: z.array(limit).optional(),
  prices: z.array(priceInput.extend({ model: name })).optional(),
  credentials: z.array(credential).optional(),
  /** Admin overrides; absent leaves them alone, `{}` takes them away. */
  config: z.record(z.string(), z.unknown()).optional(),
});

export type State = z.output<typeof stateSchema>;
export type OrganizationState = z.output<typeof organization>;

/** What is wrong with a file. */
export interface StateProblem {
  readonly file: string;
  readonly path: string;
  readonly problem: string;
  readonly remedy: string;
}

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

let json: Node | undefined;

/** Keys that may stand at a path. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  json ??= z.toJSONSchema(stateSchema, { io: 'input', unrepresentable: 'any' }) as Node;
  let nodes: readonly Node[] = [json];
  for (const part of path) {
    nodes = nodes
      .flatMap((node) => node.anyOf ?? [node])
      .flatMap((node) => {
        const next = typeof part === 'number' ? node.items : node.properties?.[String(part)];
        return next === undefined ? [] : [next];
      });
  }
  return [
    ...new Set(
      nodes.flatMap((node) => node.anyOf ?? [node]).flatMap((node) => Object.keys(node.properties ?? {})),
    ),
  ];
}

function written(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text === '' ? '(document)' : text.replace(/^\./, '');
}

function problemsOf(issue: z.core.$ZodIssue, file: string): readonly StateProblem[] {
  if (issue.code !== 'unrecognized_keys') {
    const keys = keysAt(issue.path);
    const remedy =
      keys.length === 0 ? 'Compare it with what `sluice export` writes.' : `Known here: ${keys.join(', ')}.`;
    return [{ file, path: written(issue.path), problem: `does not fit: ${issue.message}.`, remedy }];
  }
  return issue.keys.map((key) => {
    const known = keysAt(issue.path);
    const near = nearest(key, known);
    const secret = ['key', 'secret', 'hash'].includes(key);
    const remedy = secret
      ? 'Secrets do not stand in files: a new key gets a new one, shown once when it is applied.'
      : near === undefined
        ? `Remove it. Known here: ${known.join(', ')}.`
        : `Did you mean ${near}?`;
    return { file, path: written([...issue.path, key]), problem: 'is not a known field.', remedy };
  });
}

/** Reads one file's tree. */
export function readState(
  tree: unknown,
  file: string,
): { state: State | undefined; problems: readonly StateProblem[] } {
  const parsed = stateSchema.safeParse(tree ?? {});
  if (parsed.success) return { state: parsed.data, problems: [] };
  return { state: undefined, problems: parsed.error.issues.flatMap((issue) => problemsOf(issue, file)) };
}

/** Several files as one state. The same section in two files is joined; the same name twice is for the plan to refuse. */
export function joinStates(states: readonly State[]): State {
  const list = <K extends 'organizations' | 'budgets' | 'limits' | 'prices' | 'credentials'>(key: K) => {
    const all = states.flatMap((state) => (state[key] ?? []) as unknown[]);
    return states.some((state) => state[key] !== undefined) ? { [key]: all } : {};
  };
  const configs = states.flatMap(({ config }) => (config === undefined ? [] : [config]));
  const config = configs.length === 0 ? {} : { config: Object.assign({}, ...configs) };
  return {
    ...list('organizations'),
    ...list('budgets'),
    ...list('limits'),
    ...list('prices'),
    ...list('credentials'),
    ...config,
  } as State;
}
