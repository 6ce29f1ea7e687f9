import { isTierName } from '../../pipeline/downgrade-target.ts';
import { isAddressBlock, isInternalHost, parseUrl, urlFault } from './addresses.ts';
import { checkModelName, checkProviderName, type Judge } from './cross-check-models.ts';
import { isLoopbackHost } from './defaults.ts';
import type { KnownNames } from './known.ts';
import { type ConfigPath, MASK, type Report } from './paths.ts';
import type { BudgetConfig, Config } from './schema.ts';

/** Who may reach the gateway. */
export function checkAccess(config: Config, report: Report): void {
  if (config.access.mode === 'open' && !isLoopbackHost(config.server.host)) {
    report.problem({
      path: ['access', 'mode'],
      problem: 'is `open` while the gateway listens beyond this machine.',
      remedy: 'Set `access.mode: keys`, or `server.host: 127.0.0.1`.',
    });
  }
  for (const [index, block] of config.server.trusted_proxies.entries()) {
    if (isAddressBlock(block)) continue;
    report.problem({
      path: ['server', 'trusted_proxies', index],
      problem: 'is no IP address or CIDR block.',
      remedy: 'Write for example 10.0.0.0/8 or 192.0.2.7.',
    });
  }
  if (config.access.admin_key !== undefined && config.access.admin_key.length < 16) {
    report.problem({
      path: ['access', 'admin_key'],
      problem: 'is shorter than 16 characters.',
      remedy: 'Use a long random key, or leave it out: the first start makes one.',
    });
  }
  if (config.access.session_idle_timeout_s > config.access.session_max_age_s) {
    report.problem({
      path: ['access', 'session_idle_timeout_s'],
      problem: 'is longer than `session_max_age_s`.',
      remedy: 'Keep it at or below `session_max_age_s`.',
    });
  }
}

/** Guardrails and the cache's embedder. */
export function checkGuardrails(config: Config, known: KnownNames | undefined, report: Report): void {
  uniqueBy(config.guardrails, { path: ['guardrails'], key: 'name' }, report);
  for (const [index, guardrail] of config.guardrails.entries()) {
    const path = ['guardrails', index];
    if (guardrail.type === 'moderation') {
      checkProviderName(config, [...path, 'provider'], guardrail.provider, { known, report });
    }
    if (guardrail.type === 'webhook') checkWebhook(guardrail, path, report);
    if (guardrail.type === 'regex') {
      for (const [at, pattern] of guardrail.patterns.entries()) {
        const fault = known?.checkPattern?.(pattern);
        if (fault === undefined) continue;
        const place = [...path, 'patterns', at];
        report.problem({
          path: place,
          problem: `is no valid pattern: ${fault}`,
          remedy: 'Write it in RE2 syntax.',
        });
      }
    }
    const redacts = guardrail.action === 'redact';
    if (redacts && guardrail.type === 'moderation') {
      report.problem({
        path: [...path, 'action'],
        problem: 'is `redact`, but a moderation model does not say which words it means.',
        remedy: 'Use block or flag.',
      });
    }
  }
  const { semantic } = config.cache;
  if (semantic.embedder !== undefined) {
    const path = ['cache', 'semantic', 'embedder', 'provider'];
    checkProviderName(config, path, semantic.embedder.provider, { known, report });
  } else if (semantic.mode !== 'off') {
    report.problem({
      path: ['cache', 'semantic', 'mode'],
      problem: 'needs an `embedder`.',
      remedy: 'Add `embedder: { provider: …, model: … }`, or set `mode: off`.',
    });
  }
}

interface Webhook {
  readonly url: string;
  readonly allow_private_network: boolean;
}

function checkWebhook(webhook: Webhook, path: ConfigPath, report: Report): void {
  const fault = urlFault(webhook.url);
  if (fault !== undefined) {
    report.problem({ path: [...path, 'url'], ...fault });
  } else if (!webhook.allow_private_network && isInternalHost(parseUrl(webhook.url)?.hostname ?? '')) {
    report.problem({
      path: [...path, 'url'],
      problem: 'is on this machine or a private network, which is refused by default.',
      remedy: 'Set `allow_private_network: true` for this guardrail if that is meant.',
    });
  }
}

/** Keys, teams and budgets kept in the file. */
export function checkClients(config: Config, { known, report }: Judge, now: number | undefined): void {
  uniqueBy(config.keys, { path: ['keys'], key: 'name' }, report);
  uniqueBy(config.keys, { path: ['keys'], key: 'key' }, report);
  uniqueBy(config.teams, { path: ['teams'], key: 'id' }, report);
  uniqueBy(config.teams, { path: ['teams'], key: 'name' }, report);
  uniqueBy(config.budgets, { path: ['budgets'], key: 'name' }, report);
  for (const [index, key] of config.keys.entries()) {
    const path = ['keys', index];
    checkVirtualKey(key.key, [...path, 'key'], report);
    if (key.expires_at !== undefined && now !== undefined && Date.parse(key.expires_at) <= now) {
      report.warn({
        path: [...path, 'expires_at'],
        problem: 'has passed.',
        remedy: 'Remove the key or give it a later date.',
      });
    }
  }
  for (const group of ['keys', 'teams'] as const) {
    for (const [index, entry] of config[group].entries()) {
      if (entry.budget !== undefined)
        checkBudget(config, entry.budget, { path: [group, index, 'budget'], known, report });
    }
  }
  for (const [index, budget] of config.budgets.entries())
    checkBudget(config, budget, { path: ['budgets', index], known, report });
}

function checkVirtualKey(key: string, path: ConfigPath, report: Report): void {
  if (key.includes(MASK)) {
    report.problem({ path, problem: 'is masked.', remedy: 'Put the real key in place of the asterisks.' });
  } else if (!/^sk-sluice-[A-Za-z0-9_-]+$/.test(key)) {
    report.problem({
      path,
      problem: 'is no virtual key.',
      remedy:
        'A virtual key is sk-sluice- and then letters, digits, _ and -; make one with `sluice keys create`.',
    });
  } else if (key.length < 36) {
    report.warn({
      path,
      problem: 'is short enough to be guessed.',
      remedy: 'Use one made by `sluice keys create`.',
    });
  }
}

type AnyBudget = Pick<BudgetConfig, 'action' | 'downgrade_to'>;

function checkBudget(
  config: Config,
  budget: AnyBudget,
  { path, known, report }: Judge & { readonly path: ConfigPath },
): void {
  if (budget.action === 'downgrade' && budget.downgrade_to === undefined) {
    report.problem({
      path,
      problem: 'downgrades to no model.',
      remedy: 'Add `downgrade_to` with the cheaper model.',
    });
  }
  // Also a tier of a router.
  const tier = isTierName(budget.downgrade_to ?? '');
  const tiered = Object.values(config.routers).some(({ tiers }) => tiers !== undefined);
  if (budget.downgrade_to !== undefined && !(tier && tiered)) {
    checkModelName(config, [...path, 'downgrade_to'], budget.downgrade_to, { known, report });
  }
}

interface Unique<Key> {
  readonly path: ConfigPath;
  readonly key: Key;
}

function uniqueBy<Key extends string>(
  entries: readonly { readonly [K in Key]: string }[],
  { path, key }: Unique<Key>,
  report: Report,
): void {
  const seen = new Map<string, number>();
  for (const [index, entry] of entries.entries()) {
    const first = seen.get(entry[key]);
    if (first === undefined) seen.set(entry[key], index);
    else {
      report.problem({
        path: [...path, index, key],
        problem: `is the same as that of entry ${first + 1}.`,
        remedy: 'Give each its own.',
      });
    }
  }
}
