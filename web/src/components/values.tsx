import { Badge } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Exchange } from '../api.ts';
import { formatFullMoment, formatMoment, formatUsd } from '../format.ts';

/** Money, shortened; the exact amount on hover. Unknown cost is not zero. */
export function Money({ usd }: { readonly usd: string | null }): ReactNode {
  if (usd === null) return <span title="The price of this model is not known.">unknown</span>;
  return <span title={`exactly $${usd}`}>{formatUsd(usd)}</span>;
}

/** A sum of money, and a mark where something of unknown price is not in it. */
export function Spent({ usd, unpriced }: { readonly usd: string; readonly unpriced: number }): ReactNode {
  if (unpriced === 0) return <Money usd={usd} />;
  const requests = unpriced === 1 ? '1 request has' : `${unpriced} requests have`;
  return (
    <span title={`exactly $${usd}, and ${requests} no known price`}>
      {formatUsd(usd)} + <abbr title={`${requests} no known price`}>?</abbr>
    </span>
  );
}

/** A moment in the reader's time zone; the full one on hover. */
export function Moment({ at }: { readonly at: string | null }): ReactNode {
  if (at === null) return '—';
  return (
    <time dateTime={at} title={formatFullMoment(at)}>
      {formatMoment(at, new Date())}
    </time>
  );
}

const OUTCOMES: Record<Exchange['outcome'], { color: string; means: string }> = {
  answered: { color: 'teal', means: 'The client got a complete answer.' },
  failed: { color: 'red', means: 'The client got an error.' },
  cut: { color: 'orange', means: 'The upstream broke off after content had gone out.' },
  abandoned: { color: 'gray', means: 'The client hung up.' },
  refused: { color: 'yellow', means: 'A key, limit, budget or guardrail refused the request.' },
  crashed: { color: 'red', means: 'The gateway was killed while this ran; the cost is an estimate.' },
};

/** How an exchange ended, in a word and a colour. */
export function Outcome({ row }: { readonly row: Pick<Exchange, 'outcome' | 'status'> }): ReactNode {
  const { color, means } = OUTCOMES[row.outcome];
  return (
    <Badge color={color} title={`HTTP ${row.status}. ${means}`}>
      {row.outcome === 'failed' || row.outcome === 'refused' ? `${row.outcome} ${row.status}` : row.outcome}
    </Badge>
  );
}
