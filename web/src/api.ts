import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import { ApiError, createControlClient } from '../../src/control/client.ts';
import type { EndpointName, InputOf, OutputOf } from '../../src/control/contract.ts';

export { ApiError };

export type Status = OutputOf<'getStatus'>;
export type Exchange = OutputOf<'watchExchanges'>;
export type ExchangeDetail = OutputOf<'getExchange'>;
export type Key = OutputOf<'listKeys'>['data'][number];
export type NewKey = OutputOf<'createKey'>;
export type KeyInput = InputOf<'createKey'>;
export type Model = OutputOf<'listModels'>['data'][number];
export type Usage = OutputOf<'getUsage'>;
export type UsageRow = Usage['data'][number];
export type Approval = OutputOf<'listApprovals'>['data'][number];
export type AuditRow = OutputOf<'listAudit'>['data'][number];

/** The admin API of the page's own origin; the session cookie speaks for the reader. */
export const api = createControlClient({ baseUrl: '' });

/** Calls an endpoint with what a form made; the gateway checks it against the contract. */
export function send<Name extends EndpointName>(
  name: Name,
  input: Readonly<Record<string, unknown>>,
): Promise<OutputOf<Name>> {
  return api.call(name, input as InputOf<Name>);
}

/** One sentence for the reader. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError) return 'The gateway cannot be reached. Is it still running?';
  return error instanceof Error ? error.message : String(error);
}

function worthRetrying(failures: number, error: Error): boolean {
  const final = error instanceof ApiError && error.status < 500;
  return !final && failures < 2;
}

/** Caches and refetches; `onSignedOut` runs when any answer says that the session is over. */
export function createQueryClient(onSignedOut: () => void): QueryClient {
  const watch = (error: Error) => {
    if (error instanceof ApiError && error.status === 401) onSignedOut();
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError: watch }),
    mutationCache: new MutationCache({
      // Signing in with a wrong key is answered with 401 too; its form shows the sentence itself.
      onError: (error, _input, _result, mutation) => {
        if (mutation.options.mutationKey?.[0] !== 'openSession') watch(error);
      },
    }),
    defaultOptions: { queries: { retry: worthRetrying, staleTime: 5_000, refetchOnWindowFocus: true } },
  });
}

/** Names of cached answers, so that a write can mark as old what it changed. */
export const cached = {
  me: ['me'],
  account: ['account'],
  sessions: ['sessions'],
  status: ['status'],
  keys: ['keys'],
  models: ['models'],
  usage: ['usage'],
  exchanges: ['exchanges'],
  audit: ['audit'],
  places: ['places'],
  budgets: ['budgets'],
  approvals: ['approvals'],
  routers: ['routers'],
  prices: ['prices'],
  credentials: ['credentials'],
  cache: ['cache'],
  config: ['config'],
} as const;
