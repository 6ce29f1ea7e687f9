import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ScimDirectory, ScimSpeaker } from '../control/scim/directory.ts';
import type * as ScimResources from '../control/scim/resources.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { Log } from '../ports/log-sink.ts';
import { addressOf } from './client-address.ts';
import { bearerToken } from './client-facts.ts';

/** What SCIM is served with. */
export interface ScimPorts {
  readonly directory: ScimDirectory;
  /** Whose directory a token speaks for; `undefined` for a wrong one. */
  readonly speakerOf: (
    token: string,
  ) => Promise<{ readonly tokenId: string; readonly organizationId: string } | undefined>;
  readonly guesses: { check(address: string): void; note(address: string): void };
  readonly log: Log;
}

let resources: Promise<typeof ScimResources> | undefined;

/** Read at the first call: the library behind them is large, and most gateways never hear of SCIM. */
function scimResources(): Promise<typeof ScimResources> {
  resources ??= import('../control/scim/resources.ts').then((read) => {
    read.declareScimResources();
    return read;
  });
  return resources;
}

async function speakerOf(ports: ScimPorts, request: FastifyRequest): Promise<ScimSpeaker> {
  const address = addressOf(request.raw);
  ports.guesses.check(address);
  const token = bearerToken(request.headers.authorization);
  if (token === undefined) {
    throw new SluiceError('missing_key', 'Send `Authorization: Bearer <SCIM token>`.');
  }
  const found = await ports.speakerOf(token);
  if (found !== undefined) return { ...found, address };
  ports.guesses.note(address);
  throw new SluiceError('invalid_key', 'This SCIM token is not known.');
}

function queryOf(request: FastifyRequest): Readonly<Record<string, string>> {
  const given = Object.entries(request.query as Readonly<Record<string, unknown>>);
  return Object.fromEntries(given.filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}

async function send(
  ports: ScimPorts,
  reply: FastifyReply,
  work: () => Promise<{ readonly status: number; readonly body: object | undefined }>,
): Promise<FastifyReply> {
  reply.header('cache-control', 'no-store').type('application/scim+json; charset=utf-8');
  try {
    const { status, body } = await work();
    return await reply.status(status).send(body === undefined ? undefined : JSON.stringify(body));
  } catch (error) {
    const { scimError } = await scimResources();
    const { status, body, retryAfterS } = scimError(error);
    if (retryAfterS !== undefined) reply.header('retry-after', String(Math.ceil(retryAfterS)));
    if (status >= 500) ports.log.error('scim.failed', { cause: String((error as Error)?.stack ?? error) });
    return reply.status(status).send(JSON.stringify(body));
  }
}

/** SCIM 2.0 (RFC 7643, 7644) at `/scim/v2`: users and groups, by a token per organization. */
export function registerScim(app: FastifyInstance, ports: ScimPorts): void {
  app.register(async (scope) => {
    const speakers = new WeakMap<FastifyRequest, ScimSpeaker>();
    const parse = scope.getDefaultJsonParser('error', 'error');
    // Directories name the type of a body they do not send, too: a DELETE must not fail for that.
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser(
      ['application/scim+json', 'application/json'],
      { parseAs: 'string' },
      (request, text, done) => {
        if (text === '' && request.method === 'DELETE') done(null, undefined);
        else parse(request, text as string, done);
      },
    );
    scope.setErrorHandler((error, _request, reply) => {
      const known = error as { readonly statusCode?: number };
      const client =
        known.statusCode !== undefined && known.statusCode < 500 && !(error instanceof SluiceError);
      return send(ports, reply, async () => {
        throw client
          ? new SluiceError('bad_request', 'The request could not be read: send valid JSON.')
          : error;
      });
    });
    // Before the body is read: nothing of a stranger's is parsed.
    scope.addHook(
      'onRequest',
      async (request) => void speakers.set(request, await speakerOf(ports, request)),
    );
    for (const resource of ['Users', 'Groups'] as const) {
      for (const url of [`/scim/v2/${resource}`, `/scim/v2/${resource}/:id`]) {
        const method = url.endsWith(':id') ? ['GET', 'PUT', 'PATCH', 'DELETE'] : ['GET', 'POST'];
        scope.route({
          method,
          url,
          handler: (request, reply) =>
            send(ports, reply, async () => {
              const speaker = speakers.get(request) ?? (await speakerOf(ports, request));
              const { id } = request.params as { readonly id?: string };
              const asked = {
                method: request.method,
                resource,
                id,
                query: queryOf(request),
                body: request.body,
              };
              const { scimCall } = await scimResources();
              return scimCall(ports.directory, speaker, asked);
            }),
        });
      }
    }
    for (const kind of ['ServiceProviderConfig', 'ResourceTypes', 'Schemas']) {
      for (const url of [`/scim/v2/${kind}`, `/scim/v2/${kind}/:id`]) {
        scope.get(url, (request, reply) =>
          send(ports, reply, async () => {
            const { id } = request.params as { readonly id?: string };
            const { scimMetadata } = await scimResources();
            return { status: 200, body: await scimMetadata(kind, id) };
          }),
        );
      }
    }
  });
}
