import { badUsage } from './failure.ts';
import { parseChoice } from './parse.ts';

const KINDS = [
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
/** What a budget or a limit is set on: `team:team_abc`, `tag:feature=support`. Throws `bad_usage`. */
export function scopeOf(text: string): { scope: (typeof KINDS)[number]; scope_id: string } {
  const at = text.indexOf(':');
  if (at < 1 || at === text.length - 1) {
    throw badUsage(`Name what it limits as KIND:ID, for example team:team_abc; not "${text}".`);
  }
  return { scope: parseChoice(text.slice(0, at), 'SCOPE', KINDS), scope_id: text.slice(at + 1) };
}
