import { z } from 'zod';
import { approvalContract } from './contracts/approvals.ts';
import { auditContract } from './contracts/audit.ts';
import { budgetContract } from './contracts/budgets.ts';
import { cacheContract } from './contracts/cache.ts';
import { configContract } from './contracts/config.ts';
import { credentialContract } from './contracts/credentials.ts';
import { learningContract } from './contracts/learning.ts';
import { limitContract } from './contracts/limits.ts';
import { meContract } from './contracts/me.ts';
import { placeContract } from './contracts/places.ts';
import { priceInput } from './contracts/price-shapes.ts';
import { reportContract } from './contracts/reports.ts';
import { routerContract } from './contracts/routers.ts';
import { signInContract } from './contracts/sign-in.ts';
import { usageAnswer, usageQuery } from './contracts/usage-shapes.ts';
import { type Endpoint, endpoint } from './endpoint.ts';
import {
  exchangeDetail,
  exchangeFilter,
  exchangeRow,
  idParam,
  keyFilter,
  keyInput,
  keyView,
  keyWithSecret,
  modelView,
  optionalPage,
  pageOf,
  pageQuery,
  statusView,
  time,
} from './shapes.ts';

export { OPERATIONS } from '../core/policy/operations.ts';

/** What limits a key: its owner made it within his own rights, and does not loosen it afterwards. */
const KEY_RIGHTS = {
  team_id: 'keys:write',
  project_id: 'keys:write',
  user_id: 'keys:write',
  service_account_id: 'keys:write',
  models: 'keys:write',
  operations: 'keys:write',
  cidrs: 'keys:write',
  policy: 'keys:write',
  limits: 'keys:write',
  budget: 'keys:write',
  expires_at: 'keys:write',
  rotate_every_s: 'keys:write',
  rotate_overlap_s: 'keys:write',
} as const;

const nothing = z.strictObject({});
const done = z.strictObject({ ok: z.literal(true) });

/** The admin API, complete. Paths and fields as fixed in `../shared/SURFACE.md`, "Control plane". */
export const CONTRACT = {
  getStatus: endpoint({
    method: 'GET',
    path: '/api/status',
    summary: 'What runs, with which providers, and whether the last configuration was accepted',
    permission: 'status:read',
    input: nothing,
    output: statusView,
  }),
  openSession: endpoint({
    method: 'POST',
    path: '/api/session',
    summary: 'Exchange a one-time sign-in token or the admin key for a session cookie',
    permission: 'public',
    input: z.strictObject({ token: z.string().min(1).max(200) }),
    output: z.strictObject({ expires_at: time }),
    audit: 'session.open',
  }),
  closeSession: endpoint({
    method: 'DELETE',
    path: '/api/session',
    summary: 'Sign out',
    permission: 'session:write',
    input: nothing,
    output: done,
    audit: 'session.close',
  }),
  createSignInLink: endpoint({
    method: 'POST',
    path: '/api/sign-in-links',
    summary: 'A new one-time link to the portal, valid for ten minutes; for oneself, or for a user',
    permission: 'session:write',
    fields: { user_id: 'users:write' },
    input: z.strictObject({ user_id: z.string().max(100).optional() }),
    output: z.strictObject({ url: z.string(), expires_at: time }),
    audit: 'sign_in_link.create',
  }),
  ...meContract,
  ...signInContract,
  ...placeContract,
  ...routerContract,
  ...learningContract,
  ...budgetContract,
  ...limitContract,
  ...approvalContract,
  ...auditContract,
  ...credentialContract,
  ...reportContract,
  ...configContract,
  ...cacheContract,
  createKey: endpoint({
    method: 'POST',
    path: '/api/keys',
    summary: 'Create a virtual key; its secret is in this answer only',
    permission: 'keys:write',
    own: 'own:write',
    fields: { service_account_id: 'keys:write' },
    input: keyInput,
    output: keyWithSecret,
    audit: 'keys.create',
  }),
  listKeys: endpoint({
    method: 'GET',
    path: '/api/keys',
    summary: 'Virtual keys, newest first',
    permission: 'keys:read',
    own: 'own:read',
    input: keyFilter,
    output: pageOf(keyView),
  }),
  getKey: endpoint({
    method: 'GET',
    path: '/api/keys/:id',
    summary: 'One virtual key with the state of its budget',
    permission: 'keys:read',
    own: 'own:read',
    input: idParam,
    output: keyView,
  }),
  updateKey: endpoint({
    method: 'PATCH',
    path: '/api/keys/:id',
    summary: 'Change a virtual key; fields not sent stay, `null` clears',
    permission: 'keys:write',
    own: 'own:write',
    fields: KEY_RIGHTS,
    input: keyInput.omit({ organization_id: true }).partial().extend(idParam.shape),
    output: keyView,
    audit: 'keys.update',
  }),
  revokeKey: endpoint({
    method: 'DELETE',
    path: '/api/keys/:id',
    summary: 'Revoke a virtual key for good',
    permission: 'keys:write',
    own: 'own:write',
    input: idParam,
    output: done,
    audit: 'keys.revoke',
  }),
  rotateKey: endpoint({
    method: 'POST',
    path: '/api/keys/:id/rotate',
    summary: 'A new secret for a key; the old one works on for `overlap_s`',
    permission: 'keys:write',
    own: 'own:write',
    input: idParam.extend({
      overlap_s: z
        .number()
        .int()
        .min(0)
        .max(30 * 86_400)
        .default(0),
    }),
    output: keyWithSecret,
    audit: 'keys.rotate',
  }),
  claimKey: endpoint({
    method: 'POST',
    path: '/api/keys/:id/claim',
    summary: 'The secret that a scheduled rotation made; it is given out once',
    permission: 'keys:write',
    own: 'own:write',
    input: idParam,
    output: keyWithSecret,
    audit: 'keys.claim',
  }),
  blockKey: endpoint({
    method: 'POST',
    path: '/api/keys/:id/block',
    summary: 'Refuse a key until it is unblocked',
    permission: 'keys:write',
    own: 'own:write',
    input: idParam,
    output: keyView,
    audit: 'keys.block',
  }),
  unblockKey: endpoint({
    method: 'POST',
    path: '/api/keys/:id/unblock',
    summary: 'Accept a blocked key again',
    permission: 'keys:write',
    input: idParam,
    output: keyView,
    audit: 'keys.unblock',
  }),
  listExchanges: endpoint({
    method: 'GET',
    path: '/api/exchanges',
    summary: 'The log, newest first',
    permission: 'exchanges:read',
    own: 'own:read',
    input: exchangeFilter,
    output: pageOf(exchangeRow),
  }),
  watchExchanges: endpoint({
    method: 'GET',
    path: '/api/exchanges/stream',
    summary: 'Exchanges as they end, as server-sent events',
    permission: 'exchanges:read',
    own: 'own:read',
    input: nothing,
    output: exchangeRow,
    answer: 'stream',
  }),
  getExchange: endpoint({
    method: 'GET',
    path: '/api/exchanges/:id',
    summary: 'One exchange with attempts, cost by class and the price it was charged with',
    permission: 'exchanges:read',
    own: 'own:read',
    input: idParam,
    output: exchangeDetail,
  }),
  getUsage: endpoint({
    method: 'GET',
    path: '/api/usage',
    summary: 'Spend and tokens, grouped and by interval, from rollups',
    permission: 'usage:read',
    own: 'own:read',
    input: usageQuery,
    output: usageAnswer,
  }),
  listModels: endpoint({
    method: 'GET',
    path: '/api/models',
    summary: 'Every model name this gateway answers to, with limits and prices; all at once without `limit`',
    permission: 'models:read',
    input: optionalPage,
    output: pageOf(modelView),
  }),
  listPrices: endpoint({
    method: 'GET',
    path: '/api/prices',
    summary: 'Price overrides set by the operator',
    permission: 'models:read',
    input: pageQuery,
    output: pageOf(priceInput.extend({ model: z.string(), updated_at: time })),
  }),
  deletePrice: endpoint({
    method: 'DELETE',
    path: '/api/prices/overrides/:model',
    summary: 'Take a price override away: configuration and catalog hold again',
    permission: 'prices:write',
    input: z.strictObject({ model: z.string().min(1).max(300) }),
    output: done,
    audit: 'prices.delete',
  }),
  setPrice: endpoint({
    method: 'PUT',
    path: '/api/prices/overrides/:model',
    summary: 'Set the price of a model; it wins over catalog and configuration',
    permission: 'prices:write',
    input: priceInput.extend({ model: z.string().min(1).max(300) }),
    output: done,
    audit: 'prices.set',
  }),
  getConfig: endpoint({
    method: 'GET',
    path: '/api/config',
    summary: 'The live configuration, secrets masked',
    permission: 'config:read',
    input: nothing,
    output: z.strictObject({ hash: z.string(), config: z.unknown() }),
  }),
  validateConfig: endpoint({
    method: 'POST',
    path: '/api/config/validate',
    summary: 'Check a configuration without using it',
    permission: 'config:read',
    input: z.strictObject({ yaml: z.string().max(1_000_000) }),
    output: z.strictObject({
      valid: z.boolean(),
      problems: z.array(
        z.strictObject({
          path: z.string(),
          line: z.number().nullable(),
          problem: z.string(),
          remedy: z.string(),
        }),
      ),
    }),
  }),
} as const satisfies Record<string, Endpoint>;

export type Contract = typeof CONTRACT;
export type EndpointName = keyof Contract;
/** What a caller sends; defaults may be left out. */
export type InputOf<Name extends EndpointName> = z.input<Contract[Name]['input']>;
/** What a handler gets, defaults filled in. */
export type ParsedInputOf<Name extends EndpointName> = z.output<Contract[Name]['input']>;
export type OutputOf<Name extends EndpointName> = z.output<Contract[Name]['output']>;
