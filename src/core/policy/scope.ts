/**
 * What a limit, budget or policy can apply to. `organization` ⊃ `team` ⊃ `project` hold keys and users; `tag`, `model`,
 * `end_user` and `session` come from the request itself.
 */
export const SCOPE_KINDS = [
  'organization',
  'team',
  'project',
  'user',
  'key',
  'tag',
  'model',
  'end_user',
  'session',
] as const;

export type ScopeKind = (typeof SCOPE_KINDS)[number];

/** One thing a limit applies to. A tag's id is `name=value`, a model's its asked name, an end user's `x-sluice-user`, a session's `x-sluice-session`. */
export interface Scope {
  readonly kind: ScopeKind;
  readonly id: string;
}

/** The scope as one word, for maps and the ledger: `team:team_abc`. */
export function scopeName({ kind, id }: Scope): string {
  return `${kind}:${id}`;
}
