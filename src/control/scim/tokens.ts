import { type Handlers, notFound, toTime } from '../caller.ts';
import { pageByName } from '../named-pages.ts';
import { PlaceDesk, type PlacePorts } from '../place-ports.ts';
import { demand, isOf, organizationFor } from '../rights.ts';
import type { OneTimePorts } from '../sign-in/one-time.ts';

type ScimTokenHandlers = Pick<Handlers, 'createScimToken' | 'listScimTokens' | 'revokeScimToken'>;

interface StoredToken {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  readonly createdAt: number;
}

const BY_HASH = 'scim/token/';

/** Whose directory speaks; `undefined` for a token that is none. */
export async function scimCaller(
  ports: OneTimePorts,
  token: string,
): Promise<{ readonly tokenId: string; readonly organizationId: string } | undefined> {
  const found = await ports.store.settings.get(BY_HASH + ports.secrets.hashKey(token));
  if (found === undefined) return undefined;
  const { id, organizationId } = JSON.parse(found.value) as StoredToken;
  return { tokenId: id, organizationId };
}

function viewOf({ id, organizationId, name, createdAt }: StoredToken) {
  return { id, organization_id: organizationId, name, created_at: toTime(createdAt) };
}

/** Tokens with which directories provision users; only their keyed hashes are kept. */
export function createScimTokenHandlers(ports: PlacePorts & OneTimePorts): ScimTokenHandlers {
  const { store, random, secrets, clock } = ports;
  const desk = new PlaceDesk(ports);
  const all = async () =>
    (await store.settings.list(BY_HASH)).map(({ name, value }) => ({
      key: name,
      token: JSON.parse(value) as StoredToken,
    }));
  return {
    async createScimToken(input, caller) {
      const organizationId = organizationFor(caller, input.organization_id);
      desk.find('organization', caller, organizationId);
      demand(caller, 'organizations:write', { organizationId, what: 'organization' });
      // A directory makes anybody and puts him anywhere a group leads: not for whom a policy limits.
      ports.rights.demandUnbound(caller);
      const token = `scim-${Buffer.from(random.bytes(32)).toString('base64url')}`;
      const now = clock.now();
      const stored: StoredToken = {
        id: random.id('scim_'),
        organizationId,
        name: input.name,
        createdAt: now,
      };
      await store.settings.put({
        name: BY_HASH + secrets.hashKey(token),
        value: JSON.stringify(stored),
        updatedAt: now,
        expiresAt: undefined,
      });
      return { ...viewOf(stored), token };
    },
    async listScimTokens(input, caller) {
      const named = input.organization_id;
      if (named !== undefined && !isOf(caller, named)) throw notFound('organization');
      const data = (await all())
        .map(({ token }) => token)
        .filter(({ organizationId }) => isOf(caller, organizationId))
        .filter(({ organizationId }) => named === undefined || organizationId === named);
      return pageByName(data.map(viewOf), input, ({ id }) => id);
    },
    async revokeScimToken({ id }, caller) {
      const found = (await all()).find(({ token }) => token.id === id);
      if (found === undefined || !isOf(caller, found.token.organizationId)) throw notFound('token');
      demand(caller, 'organizations:write', { organizationId: found.token.organizationId, what: 'token' });
      await store.settings.delete(found.key);
      return { ok: true };
    },
  };
}
