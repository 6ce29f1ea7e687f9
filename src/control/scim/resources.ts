import SCIMMY from 'scimmy';
import { SluiceError } from '../../core/errors/error.ts';
import { notFound } from '../caller.ts';
import type { ProvisionedUser, ScimDirectory, ScimSpeaker, WantedUser } from './directory.ts';
import { type Matches, readFilter } from './filter.ts';
import type { ScimGroup } from './groups.ts';

/** What the library hands to its handlers: whose call it is, and what went wrong beneath it. */
interface Call {
  readonly directory: ScimDirectory;
  readonly speaker: ScimSpeaker;
  /** Which of the resources a list is asked for. The library's own filter knows neither letter case nor `members eq`. */
  readonly wanted?: Matches | undefined;
  failure?: SluiceError;
}

/** A call as it came over HTTP. */
export interface ScimRequest {
  readonly method: string;
  readonly resource: 'Users' | 'Groups';
  readonly id: string | undefined;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

interface ScimAnswer {
  readonly status: number;
  readonly body: object | undefined;
}

type Json = Readonly<Record<string, unknown>>;

const MAX_FILTER = 1000;
const MAX_PAGE = 500;

function textOf(value: unknown, maxLength: number): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= maxLength ? value : undefined;
}

function primaryEmail(emails: unknown): string | undefined {
  if (!Array.isArray(emails)) return undefined;
  const all = emails as readonly { readonly value?: unknown; readonly primary?: unknown }[];
  const chosen = all.find(({ primary }) => primary === true) ?? all[0];
  return textOf(chosen?.value, 320)?.toLowerCase();
}

function wantedOf(instance: Json): WantedUser {
  const plain = JSON.parse(JSON.stringify(instance)) as Json;
  const { password: _, id: __, meta: ___, groups: ____, ...resource } = plain as Record<string, unknown>;
  const userName = textOf(resource['userName'], 320);
  if (userName === undefined) throw new SluiceError('bad_request', '`userName` takes 1 to 320 characters.');
  const name = (resource['name'] ?? {}) as Json;
  const full = [name['givenName'], name['familyName']].filter((part) => typeof part === 'string').join(' ');
  return {
    userName,
    name:
      textOf(resource['displayName'], 200) ??
      textOf(name['formatted'], 200) ??
      textOf(full, 200) ??
      userName.slice(0, 200),
    email: primaryEmail(resource['emails']) ?? (userName.includes('@') ? userName.toLowerCase() : undefined),
    externalId: textOf(resource['externalId'], 256),
    active: resource['active'] !== false,
    resource: { ...resource, active: resource['active'] !== false },
  };
}

function userResource(found: ProvisionedUser, groups: readonly ScimGroup[]): Json {
  const { user, resource, updatedAt } = found;
  return {
    ...resource,
    id: user.id,
    active: !user.disabled,
    groups: groups
      .filter(({ members }) => members.includes(user.id))
      .map(({ id, displayName }) => ({ value: id, display: displayName, type: 'direct' })),
    meta: { created: new Date(user.createdAt), lastModified: new Date(updatedAt) },
  };
}

function groupResource(group: ScimGroup): Json {
  const { id, displayName, externalId, members, createdAt, updatedAt } = group;
  return {
    id,
    displayName,
    ...(externalId === undefined ? {} : { externalId }),
    members: members.map((value) => ({ value, type: 'User' })),
    meta: { created: new Date(createdAt), lastModified: new Date(updatedAt) },
  };
}

/** Hands our own errors past the library, which would turn them into others: a storage that is down is no 404. */
async function guarded<T>(call: Call, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SluiceError) call.failure = error;
    throw error;
  }
}

async function readUsers(resource: { id?: string }, call: Call): Promise<unknown> {
  const { directory, speaker } = call;
  const groups = await directory.groups.list(speaker.organizationId);
  if (resource.id !== undefined) return userResource(await directory.user(speaker, resource.id), groups);
  const all = (await directory.users(speaker)).map((user) => userResource(user, groups));
  return matching(all, call);
}

async function readGroups(resource: { id?: string }, call: Call): Promise<unknown> {
  const { directory, speaker } = call;
  if (resource.id !== undefined) {
    const group = await directory.groups.get(speaker.organizationId, resource.id);
    if (group === undefined) throw notFound('group');
    return groupResource(group);
  }
  return matching((await directory.groups.list(speaker.organizationId)).map(groupResource), call);
}

function matching(all: readonly Json[], { wanted }: Call): readonly Json[] {
  return wanted === undefined ? all : all.filter(wanted);
}

async function writeUser(resource: { id?: string }, instance: unknown, call: Call): Promise<unknown> {
  const { directory, speaker } = call;
  const wanted = wantedOf(instance as Json);
  const user = await (resource.id === undefined
    ? directory.createUser(speaker, wanted)
    : directory.updateUser(speaker, resource.id, wanted));
  return userResource(user, await directory.groups.list(speaker.organizationId));
}

async function writeGroup(resource: { id?: string }, instance: unknown, call: Call): Promise<unknown> {
  const { directory, speaker } = call;
  const plain = JSON.parse(JSON.stringify(instance)) as Json;
  const displayName = textOf(plain['displayName'], 256);
  if (displayName === undefined)
    throw new SluiceError('bad_request', '`displayName` takes 1 to 256 characters.');
  const before =
    resource.id === undefined ? undefined : await directory.groups.get(speaker.organizationId, resource.id);
  if (resource.id !== undefined && before === undefined) throw notFound('group');
  const members = Array.isArray(plain['members']) ? (plain['members'] as readonly { value?: unknown }[]) : [];
  const ids = members.flatMap(({ value }) => (typeof value === 'string' ? [value] : []));
  const wanted = { displayName, externalId: textOf(plain['externalId'], 256), members: ids };
  return groupResource(await directory.putGroup(speaker, wanted, before));
}

type Resource = { id?: string };

/** Tells the library how users and groups are read and kept. Its registry is global; what it calls is in the call. */
export function declareScimResources(): void {
  SCIMMY.Resources.User.basepath('/scim/v2');
  SCIMMY.Resources.declare(SCIMMY.Resources.User)
    .extend(SCIMMY.Schemas.EnterpriseUser, false)
    .ingress(((resource: Resource, instance: unknown, call: Call) =>
      guarded(call, () => writeUser(resource, instance, call))) as never)
    .egress(((resource: Resource, call: Call) => guarded(call, () => readUsers(resource, call))) as never)
    .degress(((resource: Resource, call: Call) =>
      guarded(call, () => call.directory.deleteUser(call.speaker, resource.id ?? ''))) as never);
  SCIMMY.Resources.Group.basepath('/scim/v2');
  SCIMMY.Resources.declare(SCIMMY.Resources.Group)
    .ingress(((resource: Resource, instance: unknown, call: Call) =>
      guarded(call, () => writeGroup(resource, instance, call))) as never)
    .egress(((resource: Resource, call: Call) => guarded(call, () => readGroups(resource, call))) as never)
    .degress(((resource: Resource, call: Call) =>
      guarded(call, () => call.directory.deleteGroup(call.speaker, resource.id ?? ''))) as never);
  SCIMMY.Config.set({
    patch: true,
    filter: { supported: true, maxResults: MAX_PAGE },
    changePassword: false,
  } as never);
}

function constraintsOf(query: ScimRequest['query']): Record<string, unknown> {
  const { startIndex, count, filter: _, ...rest } = query;
  const whole = (text: string) => (/^-?\d{1,9}$/.test(text) ? Number(text) : Number.NaN);
  return {
    ...rest,
    ...(startIndex === undefined ? {} : { startIndex: whole(startIndex) }),
    count: Math.min(count === undefined ? 100 : whole(count), MAX_PAGE),
  };
}

function filterOf({ filter = '' }: ScimRequest['query']): Matches | undefined {
  if (filter.length > MAX_FILTER)
    throw new SCIMMY.Types.Error(400, 'invalidFilter', 'The filter is too long');
  return filter.trim() === '' ? undefined : readFilter(filter);
}

/** Carries out one call on users or groups (RFC 7644 §3). Throws {@link SluiceError} or the library's own error. */
export async function scimCall(
  directory: ScimDirectory,
  speaker: ScimSpeaker,
  request: ScimRequest,
): Promise<ScimAnswer> {
  const listed = request.method === 'GET' && request.id === undefined;
  const call: Call = { directory, speaker, wanted: listed ? filterOf(request.query) : undefined };
  try {
    const write = request.method !== 'GET';
    return await (write
      ? directory.inTurn(speaker, () => carryOut(request, call))
      : directory.afterOthers(() => carryOut(request, call)));
  } catch (error) {
    throw call.failure ?? error;
  }
}

async function carryOut({ method, resource, id, query, body }: ScimRequest, call: Call): Promise<ScimAnswer> {
  const Kind = resource === 'Users' ? SCIMMY.Resources.User : SCIMMY.Resources.Group;
  const { attributes, excludedAttributes } = query;
  const shown = {
    ...(attributes === undefined ? {} : { attributes }),
    ...(excludedAttributes === undefined ? {} : { excludedAttributes }),
  };
  const one = () => new Kind(id ?? '', shown as never);
  const context = call as never;
  switch (method) {
    case 'GET': {
      const found = id === undefined ? new Kind(constraintsOf(query) as never) : one();
      return { status: 200, body: await found.read(context) };
    }
    case 'POST':
      return { status: 201, body: await new Kind(shown as never).write(body as never, context) };
    case 'PUT':
      return { status: 200, body: await one().write(body as never, context) };
    case 'PATCH': {
      const changed = await one().patch(tolerant(body) as never, context);
      return { status: 200, body: changed ?? (await one().read(context)) };
    }
    default:
      await one().dispose(context);
      return { status: 204, body: undefined };
  }
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function truth(value: unknown): unknown {
  return value === 'True' || value === 'False' ? value === 'True' : value;
}

const CORE_PREFIX = /^urn:ietf:params:scim:schemas:core:2\.0:(?:User|Group):/i;
const MANAGER = /^(urn:ietf:params:scim:schemas:extension:enterprise:2\.0:User:manager)(?:\.value)?$/i;

/** Paths as directories write them, as the library takes them: the core schema is left out, a manager is an object. */
function plainTarget(path: unknown, value: unknown): { readonly path?: unknown; readonly value?: unknown } {
  if (typeof path !== 'string') return value === undefined ? {} : { value };
  const manager = MANAGER.exec(path)?.[1];
  const held = manager !== undefined && typeof value === 'string' ? { value } : value;
  return { path: manager ?? path.replace(CORE_PREFIX, ''), ...(held === undefined ? {} : { value: held }) };
}

/** Microsoft Entra writes `Replace` for `replace` and `"False"` for `false`: a deactivation must not fail for that. */
function tolerant(body: unknown): unknown {
  if (!isJson(body) || !Array.isArray(body['Operations'])) return body;
  const operations = (body['Operations'] as readonly unknown[]).map((operation) => {
    if (!isJson(operation)) return operation;
    const { op, path, value } = operation;
    const inside = isJson(value) && 'active' in value ? { ...value, active: truth(value['active']) } : value;
    return {
      ...operation,
      ...plainTarget(path, path === 'active' ? truth(value) : inside),
      op: typeof op === 'string' ? op.toLowerCase() : op,
    };
  });
  return { ...body, Operations: operations };
}

/** What the service can do, its schemas and its resource types (RFC 7644 §4). */
export async function scimMetadata(kind: string, id: string | undefined): Promise<object> {
  const Kind = {
    ServiceProviderConfig: SCIMMY.Resources.ServiceProviderConfig,
    ResourceTypes: SCIMMY.Resources.ResourceType,
    Schemas: SCIMMY.Resources.Schema,
  }[kind];
  if (Kind === undefined) throw new SCIMMY.Types.Error(404, null as never, 'There is no such endpoint');
  return id === undefined ? new Kind().read() : new Kind(id).read();
}

interface ScimFailure {
  readonly status: number;
  readonly body: object;
  readonly retryAfterS?: number | undefined;
}

/** The library's own message takes only the statuses RFC 7644 lists, and 429 and 503 are not among them. */
function messageOf(status: number, detail: string, scimType?: string): object {
  const schemas = ['urn:ietf:params:scim:api:messages:2.0:Error'];
  return { schemas, status: String(status), ...(scimType === undefined ? {} : { scimType }), detail };
}

/** An error as RFC 7644 §3.12 has it. */
export function scimError(error: unknown): ScimFailure {
  if (error instanceof SluiceError) {
    const { status, message, code, facts } = error;
    const body = messageOf(status, message, code === 'conflict' ? 'uniqueness' : undefined);
    return { status, body, retryAfterS: facts.retryAfterS };
  }
  if (error instanceof SCIMMY.Types.Error) {
    const { status, scimType, message } = error as unknown as {
      status: number;
      scimType?: string | null;
      message: string;
    };
    return { status, body: messageOf(status, message, scimType ?? undefined) };
  }
  return { status: 500, body: messageOf(500, 'Something went wrong inside the gateway.') };
}
