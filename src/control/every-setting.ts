import type { Setting, SettingStore } from '../ports/store.ts';

/** Every setting whose name begins with `prefix`, by name, page by page: sessions and directories have no limit. */
export async function* everySetting(settings: SettingStore, prefix: string): AsyncGenerator<Setting> {
  let after: string | undefined;
  for (;;) {
    const page = await settings.list(prefix, after);
    yield* page;
    const last = page.at(-1)?.name;
    // An empty page, not a short one: how long a page is, is the store's affair.
    if (last === undefined || last === after) return;
    after = last;
  }
}
