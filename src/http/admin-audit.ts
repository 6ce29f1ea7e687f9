import type { FastifyRequest } from 'fastify';
import type { AuditLog } from '../control/audit.ts';
import { maskFacts } from '../control/audit-mask.ts';
import type { Caller, Handlers } from '../control/caller.ts';
import { CONTRACT, type EndpointName } from '../control/contract.ts';
import type { Endpoint } from '../control/endpoint.ts';
import type { RefusalNotes } from '../control/refusal-notes.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { Log } from '../ports/log-sink.ts';

/** What writing calls down takes. */
export interface AdminAuditPorts {
  readonly audit: AuditLog;
  readonly handlers: Handlers;
  /** Refusals that may come in floods. */
  readonly refusals: RefusalNotes;
  readonly log: Log;
  /** The organization that a call with this input is about. */
  readonly organizationOf: (input: Input, caller: Caller) => string;
  /** Whose a thing with this id is; `undefined` where there is none. */
  readonly ownerOf: (id: string) => string | undefined;
}

type Input = Readonly<Record<string, unknown>>;

/** A call that was let in. */
export interface Asked {
  readonly request: FastifyRequest;
  readonly caller: Caller;
  readonly input: Input;
}

function targetOf(input: Input): string {
  return String(input['id'] ?? input['model'] ?? input['name'] ?? '');
}

const VIEWS = new Map(
  (Object.entries(CONTRACT) as [EndpointName, Endpoint][])
    .filter(
      ([, { method, path, answer }]) => method === 'GET' && answer === undefined && path.endsWith('/:id'),
    )
    .map(([name, { path }]) => [path, name]),
);

/** The endpoint that shows what a call is about: `/api/keys/:id` for `/api/keys/:id/rotate`. */
function viewOf(name: EndpointName): keyof Handlers | undefined {
  const { path }: Endpoint = CONTRACT[name];
  const end = path.indexOf('/:id');
  return end < 0 ? undefined : (VIEWS.get(path.slice(0, end + 4)) as keyof Handlers | undefined);
}

/** The thing as it stands, as far as the caller himself may see it; `null` where there is nothing to see. */
async function stateOf(
  ports: AdminAuditPorts,
  name: EndpointName,
  { caller, input }: Asked,
): Promise<unknown> {
  const view = viewOf(name);
  const { id } = input;
  if (view === undefined || typeof id !== 'string') return null;
  const handler = ports.handlers[view] as (asked: unknown, by: Caller) => Promise<unknown>;
  // What cannot be shown is no reason to refuse the call: its handler says what is wrong.
  return handler({ id }, caller).catch(() => null);
}

function idOf(output: unknown): string | undefined {
  const { id } = (typeof output === 'object' && output !== null ? output : {}) as { readonly id?: unknown };
  return typeof id === 'string' ? id : undefined;
}

/**
 * Carries a write out between two entries: one that it was asked for, without which it does not happen, and one that it
 * was done, with what was there before and after. Secrets are masked.
 */
export async function audited(
  ports: AdminAuditPorts,
  call: { readonly name: EndpointName; readonly asked: Asked },
  work: () => Promise<unknown>,
): Promise<unknown> {
  const { name, asked } = call;
  const { audit: action }: Endpoint = CONTRACT[name];
  if (action === undefined) return work();
  const { caller, input } = asked;
  const target = targetOf(input);
  const organization = ports.organizationOf(input, caller);
  const before = maskFacts(await stateOf(ports, name, asked));
  const facts = { input: maskFacts(input), before };
  await ports.audit.append(caller, { action: `${action}.asked`, target, organization, details: facts });
  const output = await work();
  const after = maskFacts(
    viewOf(name) === undefined || input['id'] === undefined ? output : await stateOf(ports, name, asked),
  );
  const done = { action, target: target || (idOf(output) ?? ''), organization };
  const id = idOf(output);
  const details = { ...facts, after, ...(id === undefined || id === target ? {} : { id }) };
  // It has happened, and the entry before says that it was asked for.
  await ports.audit
    .append(caller, { ...done, target: id ?? done.target, details })
    .catch((cause: unknown) => {
      ports.log.error('audit.outcome_not_written', { action, error: String(cause) });
    });
  return output;
}

/** Whether the input names something of an organization that the caller does not belong to. */
function crossesTenants(ports: AdminAuditPorts, { caller, input }: Asked): boolean {
  const { tenant } = caller;
  if (tenant === 'every') return false;
  return Object.entries(input).some(([name, value]) => {
    if (typeof value !== 'string' || !/(^|_)id$/.test(name)) return false;
    const owner = ports.ownerOf(value);
    return owner !== undefined && owner !== tenant.organizationId;
  });
}

/** Writes down that a call could not be read: the first of each field at once, the others of a minute as a number. */
export function noteUnread(
  ports: AdminAuditPorts,
  name: EndpointName,
  refused: Omit<Asked, 'input'> & { readonly error: unknown },
): void {
  const { request, caller, error } = refused;
  const { audit }: Endpoint = CONTRACT[name];
  const input = request.params as Input;
  const message = error instanceof Error ? error.message.slice(0, 500) : '';
  ports.refusals.note({
    action: `${audit ?? name}.refused`,
    target: targetOf(input),
    organization: ports.organizationOf(input, caller),
    caller,
    details: { error: 'bad_request', ...fieldOf(error), problem: message },
  });
}

function fieldOf(error: unknown): { readonly field?: string } {
  const field = error instanceof SluiceError ? error.facts.param : undefined;
  return field === undefined ? {} : { field: field.slice(0, 200) };
}

/**
 * Writes down that a call did not happen, and throws the error on. The entry before it said what was wanted. Reads are
 * noted only where somebody knocked at what he may not see: what is forbidden, and what is another tenant's.
 */
export async function noteRefusal(
  ports: AdminAuditPorts,
  name: EndpointName,
  refused: Asked & { readonly error: unknown },
): Promise<never> {
  const { caller, input, error } = refused;
  const { audit }: Endpoint = CONTRACT[name];
  const code = error instanceof SluiceError ? error.code : 'internal';
  const crossing = (code === 'not_found' || code === 'forbidden') && crossesTenants(ports, refused);
  const entry = {
    action: `${audit ?? name}.refused`,
    target: targetOf(input),
    organization: ports.organizationOf(input, caller),
    details: { error: code, ...fieldOf(error), ...(crossing ? { cross_tenant: true } : {}) },
  };
  if (audit !== undefined || code === 'forbidden') {
    // The refusal stands, whether or not it could be written down.
    await ports.audit.append(caller, entry).catch((cause: unknown) => {
      ports.log.error('audit.refusal_not_written', { action: entry.action, error: String(cause) });
    });
  } else if (crossing) {
    ports.refusals.note({ ...entry, caller });
  }
  throw error;
}
