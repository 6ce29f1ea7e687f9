import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Store } from '../../ports/store.ts';
import { everySetting } from '../every-setting.ts';

/** A group of a directory, as it provisioned it. */
export interface ScimGroup {
  readonly id: string;
  readonly displayName: string;
  readonly externalId: string | undefined;
  /** User ids. */
  readonly members: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

const MAX_MEMBERS = 10_000;
const MAX_GROUPS = 5000;

/** Groups of directories, by organization. */
export class ScimGroups {
  readonly #ports: { readonly store: Store; readonly clock: Clock; readonly random: Random };

  constructor(ports: { readonly store: Store; readonly clock: Clock; readonly random: Random }) {
    this.#ports = ports;
  }

  async list(organizationId: string): Promise<readonly ScimGroup[]> {
    const found: ScimGroup[] = [];
    for await (const { value } of everySetting(this.#ports.store.settings, prefixOf(organizationId))) {
      found.push(JSON.parse(value) as ScimGroup);
    }
    return found;
  }

  async get(organizationId: string, id: string): Promise<ScimGroup | undefined> {
    const found = await this.#ports.store.settings.get(prefixOf(organizationId) + id);
    return found === undefined ? undefined : (JSON.parse(found.value) as ScimGroup);
  }

  /** Stores a new group, or a changed one. Throws `conflict` for a name that another one has. */
  async put(
    organizationId: string,
    given: Pick<ScimGroup, 'displayName' | 'externalId' | 'members'>,
    before: ScimGroup | undefined,
  ): Promise<ScimGroup> {
    const { clock, random, store } = this.#ports;
    const others = await this.list(organizationId);
    const same = (name: string) => name.toLowerCase() === given.displayName.toLowerCase();
    if (others.some(({ id, displayName }) => id !== before?.id && same(displayName))) {
      throw new SluiceError('conflict', 'There is a group with this name already.');
    }
    if (given.members.length > MAX_MEMBERS || (before === undefined && others.length >= MAX_GROUPS)) {
      throw new SluiceError(
        'bad_request',
        `At most ${MAX_GROUPS} groups of ${MAX_MEMBERS} members are kept.`,
      );
    }
    const now = clock.now();
    const group: ScimGroup = {
      id: before?.id ?? random.id('grp_'),
      displayName: given.displayName,
      externalId: given.externalId,
      members: [...new Set(given.members)],
      createdAt: before?.createdAt ?? now,
      updatedAt: now,
    };
    await store.settings.put({
      name: prefixOf(organizationId) + group.id,
      value: JSON.stringify(group),
      updatedAt: now,
      expiresAt: undefined,
    });
    return group;
  }

  remove(organizationId: string, id: string): Promise<boolean> {
    return this.#ports.store.settings.delete(prefixOf(organizationId) + id);
  }
}

function prefixOf(organizationId: string): string {
  return `scim/group/${organizationId}/`;
}
