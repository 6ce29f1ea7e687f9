import { keySlices } from '../control/key-directory.ts';
import { usdToNano } from '../core/cost/money.ts';
import { withAbortRule } from '../core/policy/client-abort.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import type { Config, KeyConfig } from './config/index.ts';

/** Ids of keys declared in the configuration file; the rest of the id is the key's name. */
const FILE_PREFIX = 'key_file_';

function toKey(entry: KeyConfig, secrets: SecretBox, now: number): VirtualKey {
  const { budget } = entry;
  const limits = Object.fromEntries(
    Object.entries(entry.limits ?? {}).filter(([, value]) => value !== undefined),
  );
  return {
    id: FILE_PREFIX + entry.name.replaceAll(/[^A-Za-z0-9_-]/g, '_'),
    name: entry.name,
    hash: secrets.hashKey(entry.key),
    hint: entry.key.slice(-4),
    previousHash: undefined,
    previousHashExpiresAt: undefined,
    createdAt: now,
    expiresAt: entry.expires_at === undefined ? undefined : Date.parse(entry.expires_at),
    blocked: false,
    revokedAt: undefined,
    organizationId: DEFAULT_ORGANIZATION_ID,
    serviceAccountId: undefined,
    policy: entry.regions === undefined ? {} : { regions: [...entry.regions] },
    limitedBy: [],
    rotation: undefined,
    teamId: entry.team_id,
    projectId: entry.project_id,
    userId: entry.user_id,
    models: entry.models === undefined ? undefined : [...entry.models],
    limits,
    budget:
      budget === undefined
        ? undefined
        : {
            limitNano: usdToNano(budget.limit_usd, 'budget.limit_usd'),
            window: budget.window,
            action: budget.action,
            ...(budget.downgrade_to === undefined ? {} : { downgradeTo: budget.downgrade_to }),
          },
    metadata: withAbortRule(
      { ...(entry.metadata as Record<string, string> | undefined) },
      entry.on_client_abort,
    ),
  };
}

/** Brings the stored keys in line with those of the file: new ones in, changed ones updated, missing ones revoked. */
export async function syncFileKeys(
  config: Config,
  ports: { readonly store: Store; readonly secrets: SecretBox },
  now: number,
): Promise<void> {
  const { store, secrets } = ports;
  const wanted = new Map(config.keys.map((entry) => toKey(entry, secrets, now)).map((key) => [key.id, key]));
  for await (const slice of keySlices(store.keys, FILE_PREFIX)) {
    const missing = slice.filter(({ id }) => !wanted.has(id));
    for (const { id } of missing) await store.keys.update(id, { revokedAt: now });
  }
  for (const key of wanted.values()) {
    const { id, createdAt: _, blocked: __, ...fields } = key;
    if ((await store.keys.get(id)) === undefined) await store.keys.insert(key);
    else await store.keys.update(id, fields);
  }
}
