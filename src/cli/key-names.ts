import type { OutputOf } from '../control/contract.ts';
import type { Connection } from './connect.ts';
import { CliFailure } from './failure.ts';

/** A virtual key as the gateway shows it. */
export type KeyView = OutputOf<'getKey'>;

const PAGE = 500;
/** Keys looked through for a name. */
const MAX_PAGES = 40;

/** Every key, newest first, up to `most`. */
export async function listAllKeys(gateway: Connection, most = PAGE * MAX_PAGES): Promise<readonly KeyView[]> {
  const keys: KeyView[] = [];
  let cursor: string | undefined;
  do {
    const page = await gateway.call('listKeys', { limit: Math.min(PAGE, most - keys.length), cursor });
    keys.push(...page.data);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && keys.length < most);
  return keys;
}

/** The id of the key that is named by its id or its name. Throws {@link CliFailure} when no or several keys match. */
export async function findKeyId(gateway: Connection, idOrName: string): Promise<string> {
  if (/^sk-sluice-/.test(idOrName)) {
    throw new CliFailure('bad_usage', 'Name the key by its id or name, not by its secret.', 2);
  }
  if (/^key_/.test(idOrName)) return idOrName;
  const matching = (await listAllKeys(gateway)).filter(
    (key) => key.id === idOrName || (key.name === idOrName && key.status !== 'revoked'),
  );
  const [first, second] = matching;
  if (first === undefined) {
    throw new CliFailure('not_found', `There is no key "${idOrName}"; \`sluice keys list\` shows them.`);
  }
  if (second !== undefined) {
    throw new CliFailure(
      'conflict',
      `Several keys are named "${idOrName}"; use an id of \`sluice keys list\`.`,
    );
  }
  return first.id;
}
