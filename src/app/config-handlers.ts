import { type Handlers, toTime } from '../control/caller.ts';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import { configHash, type LoadResult } from './config/index.ts';
import { maskTree, unmask } from './config/mask.ts';
import { isMap } from './config/paths.ts';
import type { ConfigOverrides, OverridesVersion } from './config-overrides.ts';
import { textOf } from './config-overrides.ts';
import { isReference } from './secret-references.ts';

/** What changing the configuration takes. */
export interface ConfigPorts {
  readonly overrides: ConfigOverrides;
  readonly live: {
    readonly config: Parameters<typeof configHash>[0];
    /** Loads every layer with these overrides, without using the result. */
    try(overrides: string | undefined): LoadResult;
    /** Takes the overrides in force over. */
    adoptOverrides(): Promise<void>;
  };
}

type ConfigHandlers = Pick<
  Handlers,
  'putConfig' | 'getConfigOverrides' | 'listConfigHistory' | 'rollbackConfig'
>;

/** Read before overrides can be, or fixed once the gateway listens. */
const FIXED: readonly (readonly [string, string])[] = [
  ['storage', 'data_dir'],
  ['storage', 'url'],
  ['server', 'host'],
  ['server', 'port'],
  ['access', 'admin_key'],
];

function viewOf(state: OverridesVersion) {
  return {
    version: state.version,
    overrides: maskTree(state.tree, isReference) as Record<string, unknown>,
    at: state.at === undefined ? null : toTime(state.at),
    actor: state.actor ?? null,
    comment: state.comment ?? null,
  };
}

/** Takes out what only repeats a fixed value, as a whole configuration sent back does; throws for another value. */
function withoutFixed(tree: Readonly<Record<string, unknown>>, live: unknown): Record<string, unknown> {
  const kept: Record<string, unknown> = { ...tree };
  for (const [section, key] of FIXED) {
    const given = kept[section];
    if (!isMap(given) || !Object.hasOwn(given, key)) continue;
    const now = isMap(live) && isMap(live[section]) ? live[section][key] : undefined;
    if (given[key] !== now) {
      throw badRequest(
        `config.${section}.${key}`,
        `\`${section}.${key}\` is read before overrides are: set it in the file and start again.`,
      );
    }
    const { [key]: _, ...rest } = given;
    kept[section] = rest;
    if (Object.keys(rest).length === 0) delete kept[section];
  }
  return kept;
}

function demandSound({ problems }: LoadResult): void {
  const [first] = problems;
  if (first === undefined) return;
  const more = problems.length === 1 ? '' : ` (${problems.length - 1} more in \`details\`)`;
  throw new SluiceError('bad_request', `\`${first.path}\` ${first.problem} ${first.remedy}${more}`, {
    param: 'config',
    details: Object.fromEntries(
      problems
        .slice(0, 50)
        .map(({ path, problem, remedy, source }, index) => [
          `problem_${index + 1}`,
          `${path}: ${problem} ${remedy} (${source})`,
        ]),
    ),
  });
}

/** Admin overrides: every change is checked as a whole file would be, kept with its history, and in force at once. */
export function createConfigHandlers({ overrides, live }: ConfigPorts): ConfigHandlers {
  let last: Promise<unknown> = Promise.resolve();

  async function change(
    wanted: () => Promise<Pick<OverridesVersion, 'tree' | 'actor' | 'comment'>>,
    ifHash: string | undefined,
  ) {
    // One after the other, so that each is checked against what it will stand upon.
    const mine = last.then(async () => {
      if (ifHash !== undefined && ifHash !== configHash(live.config)) {
        throw new SluiceError('conflict', 'The configuration has changed since; read it again.', {
          param: 'if_hash',
        });
      }
      const next = await wanted();
      demandSound(live.try(textOf(next.tree)));
      const state = await overrides.put(next);
      await live.adoptOverrides();
      return { ...viewOf(state), hash: configHash(live.config) };
    });
    last = mine.catch(() => undefined);
    return mine;
  }

  return {
    putConfig: ({ config, if_hash, comment }, caller) =>
      change(async () => {
        const base = live.try(undefined).config;
        const full = unmask(config, { before: overrides.current.tree, base });
        return { tree: withoutFixed(full, live.config), actor: caller.actor, comment };
      }, if_hash),
    async getConfigOverrides() {
      return viewOf(overrides.current);
    },
    async listConfigHistory({ limit, cursor }) {
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor);
      if (!Number.isSafeInteger(before) || before < 0) {
        throw badRequest('cursor', 'This `cursor` is none that a list gave out.');
      }
      const found = await overrides.history(Math.min(before, 999_999_999_999), limit + 1);
      const data = found.slice(0, limit).map(viewOf);
      return { data, next_cursor: found.length > limit ? String(data.at(-1)?.version ?? '') : null };
    },
    rollbackConfig: ({ version, if_hash, comment }, caller) =>
      change(async () => {
        const earlier = await overrides.at(version);
        if (earlier === undefined)
          throw new SluiceError('not_found', 'The history has no such version.', { param: 'version' });
        return { tree: earlier.tree, actor: caller.actor, comment: comment ?? `rollback to ${version}` };
      }, if_hash),
  };
}
