import { DAY_MS } from '../core/durations.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { ObjectPlace, OwnedObjects } from '../ports/owned-objects.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';

/** Longer than any batch is kept; files that are older leave the list and can still be asked for by their ids. */
const KEPT_MS = 400 * DAY_MS;
/** Noted lately by this process, so that looking at a batch again and again writes nothing. */
const MAX_NOTED = 10_000;

function prefixOf({ owner, provider, kind }: ObjectPlace): string {
  return `object/${owner}/${provider}/${kind}/`;
}

/** Keeps who owns which object among the settings, so that a key's lists show its own objects and nobody else's. */
export function createOwnedObjects(ports: {
  readonly store: Pick<Store, 'settings'>;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly log: Log;
}): OwnedObjects {
  const { store, secrets, clock, log } = ports;
  const noted = new Set<string>();
  const failed = (error: unknown) => log.warn('objects.not_noted', { error: String(error) });
  return {
    sign: (text) => secrets.sign(text, 'object-owner'),
    remember(place, id) {
      const name = prefixOf(place) + id;
      if (noted.has(name)) return;
      if (noted.size >= MAX_NOTED) noted.clear();
      noted.add(name);
      const updatedAt = clock.now();
      store.settings.put({ name, value: '', updatedAt, expiresAt: updatedAt + KEPT_MS }).catch((error) => {
        noted.delete(name);
        failed(error);
      });
    },
    forget(place, id) {
      const name = prefixOf(place) + id;
      noted.delete(name);
      store.settings.delete(name).catch(failed);
    },
    async owned(place) {
      const prefix = prefixOf(place);
      const ids = new Set<string>();
      for (let after: string | undefined = ''; after !== undefined; ) {
        const page: readonly { readonly name: string }[] = await store.settings.list(prefix, after);
        for (const { name } of page) ids.add(name.slice(prefix.length));
        // A page that is not full is the last.
        after = page.length < 10_000 ? undefined : page.at(-1)?.name;
      }
      return ids;
    },
  };
}
