/** Who caused it: decides circuit counting, billing and wording. */
export type Blame = 'client' | 'policy' | 'upstream' | 'gateway';

/** What may be tried next: nothing, the same deployment again, or the next deployment of the model. */
export type Retry = 'never' | 'same' | 'next';

interface Row {
  readonly status: number;
  readonly blame: Blame;
  readonly retry: Retry;
}

/**
 * Every error the gateway can answer with, one row each. `status` is the HTTP status towards the client;
 * an upstream's own 4xx class is kept by `SluiceError.status`. Statuses as in `../shared/SURFACE.md`.
 */
export const ERRORS = {
  bad_request: { status: 400, blame: 'client', retry: 'never' },
  invalid_json: { status: 400, blame: 'client', retry: 'never' },
  conflicting_credentials: { status: 400, blame: 'client', retry: 'never' },
  missing_key: { status: 401, blame: 'client', retry: 'never' },
  invalid_key: { status: 401, blame: 'client', retry: 'never' },
  key_expired: { status: 401, blame: 'client', retry: 'never' },
  key_blocked: { status: 401, blame: 'policy', retry: 'never' },
  model_forbidden: { status: 403, blame: 'policy', retry: 'never' },
  forbidden: { status: 403, blame: 'policy', retry: 'never' },
  /** Nothing that could answer is in a region where the request may be processed. */
  region_refused: { status: 403, blame: 'policy', retry: 'never' },
  guardrail_blocked: { status: 403, blame: 'policy', retry: 'never' },
  approval_required: { status: 403, blame: 'policy', retry: 'never' },
  model_not_found: { status: 404, blame: 'client', retry: 'never' },
  route_not_found: { status: 404, blame: 'client', retry: 'never' },
  not_found: { status: 404, blame: 'client', retry: 'never' },
  method_not_allowed: { status: 405, blame: 'client', retry: 'never' },
  conflict: { status: 409, blame: 'client', retry: 'never' },
  body_too_large: { status: 413, blame: 'client', retry: 'never' },
  unsupported_media_type: { status: 415, blame: 'client', retry: 'never' },
  host_not_allowed: { status: 421, blame: 'client', retry: 'never' },
  unsupported_feature: { status: 422, blame: 'client', retry: 'never' },
  context_overflow: { status: 400, blame: 'client', retry: 'never' },
  rate_limited: { status: 429, blame: 'policy', retry: 'never' },
  budget_exceeded: { status: 429, blame: 'policy', retry: 'never' },
  price_unknown: { status: 403, blame: 'policy', retry: 'never' },
  client_closed: { status: 499, blame: 'client', retry: 'never' },
  body_timeout: { status: 408, blame: 'client', retry: 'never' },

  /** The upstream understood the request and refused it: its class is kept, the wording is ours. */
  upstream_refused: { status: 400, blame: 'client', retry: 'never' },
  upstream_content_filter: { status: 400, blame: 'client', retry: 'never' },
  upstream_not_found: { status: 404, blame: 'upstream', retry: 'next' },
  upstream_auth: { status: 502, blame: 'upstream', retry: 'next' },
  upstream_quota: { status: 502, blame: 'upstream', retry: 'next' },
  upstream_rate_limited: { status: 429, blame: 'upstream', retry: 'next' },
  upstream_overloaded: { status: 503, blame: 'upstream', retry: 'same' },
  upstream_error: { status: 502, blame: 'upstream', retry: 'same' },
  upstream_unreachable: { status: 502, blame: 'upstream', retry: 'same' },
  upstream_malformed: { status: 502, blame: 'upstream', retry: 'next' },
  upstream_too_large: { status: 502, blame: 'upstream', retry: 'never' },
  /** The stream broke off after content had gone out; nothing is retried past the commit point. */
  upstream_cut: { status: 502, blame: 'upstream', retry: 'same' },
  upstream_timeout: { status: 504, blame: 'upstream', retry: 'next' },
  no_provider: { status: 502, blame: 'gateway', retry: 'never' },

  overloaded: { status: 503, blame: 'gateway', retry: 'never' },
  draining: { status: 503, blame: 'gateway', retry: 'never' },
  ledger_unavailable: { status: 503, blame: 'gateway', retry: 'never' },
  internal: { status: 500, blame: 'gateway', retry: 'never' },
} as const satisfies Record<string, Row>;

/** A stable error code, as sent in `x-sluice-error`. */
export type ErrorCode = keyof typeof ERRORS;
