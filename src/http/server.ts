import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import fastifyCookie from '@fastify/cookie';
import fastifyHelmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import { type FastifyInstance, fastify } from 'fastify';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Random } from '../ports/random.ts';
import { type AdminPorts, adminError, registerAdmin } from './admin.ts';
import { registerApiPage } from './api-page.ts';
import type { DataPlanePorts } from './call.ts';
import { noteForwarded, trustedProxies } from './client-address.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';
import { Connections } from './connections.ts';
import { isDataPlanePath, serveDataPlane } from './data-plane.ts';
import { answerMalformed, dismiss, lastWords } from './malformed.ts';
import { openApiDocument } from './openapi.ts';
import { createPeerGuard, type PeerGuardConfig } from './peer-guard.ts';
import { PlainServer } from './plain-server.ts';
import { registerScim, type ScimPorts } from './scim.ts';
import { registerSignIn } from './sign-in.ts';

/** Where to listen and what to bear; from the configuration's `server` section. */
export interface ServerConfig extends PeerGuardConfig {
  readonly port: number;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly headerTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** IP addresses and CIDR blocks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
}

/** Everything the server serves. */
export interface ServerPorts {
  readonly data: DataPlanePorts;
  readonly admin: AdminPorts;
  readonly scim: ScimPorts;
  readonly metrics: Metrics;
  /** Whether `/metrics` is served (`telemetry.prometheus`). */
  readonly servesMetrics: () => boolean;
  readonly ready: () => boolean;
  /** Folder with the built portal; absent when it was not built. */
  readonly portalFolder: string | undefined;
}

/** Connections above our own limit that node:http still accepts, so that it is us who choose which one to close. */
const ACCEPT_SLACK = 64;

/** What is still open this long after the drain is closed. */
const CLOSE_GRACE_MS = 250;

/** A listening server. */
export interface RunningServer {
  readonly port: number;
  /** Stops accepting and closes what is open; drain before. */
  close(): Promise<void>;
}

function registerHealth(app: FastifyInstance, ports: ServerPorts): void {
  app.get('/health/live', async () => ({ status: 'live' }));
  app.get('/health/ready', async (_request, reply) =>
    reply.status(ports.ready() ? 200 : 503).send({ status: ports.ready() ? 'ready' : 'draining' }),
  );
  app.get('/metrics', async (_request, reply) => {
    if (!ports.servesMetrics()) return reply.callNotFound();
    return reply
      .header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      .send(ports.metrics.render());
  });
  app.get('/api/openapi.json', async () => openApiDocument());
  registerApiPage(app);
}

/** Below these only the paths of the contract exist; an unknown one is an error, not the portal's page. */
const NO_PAGES = /^\/(api|v1|v1beta|openai|anthropic|gemini|passthrough|health|metrics|scim|assets)(\/|\?|$)/;

/** Whether a path that is no file is one of the portal's: asked for by a browser, or by `curl` that takes anything. */
function isPage(method: string, url: string, accept = '*/*'): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || NO_PAGES.test(url)) return false;
  const last = url.split('?', 1)[0]?.split('/').at(-1) ?? '';
  if (accept.includes('text/html')) return !url.startsWith('/api/');
  return /(^|,)\s*\*\/\*/.test(accept) && !last.includes('.');
}

/** The portal's page for every path that is not a file, so that its own router can take over. */
async function registerPortal(app: FastifyInstance, folder: string | undefined): Promise<void> {
  if (folder !== undefined)
    await app.register(fastifyStatic, {
      root: folder,
      wildcard: false,
      cacheControl: false,
      // Names under `assets/` hold a hash of their content; the page itself must be asked for again after an upgrade.
      setHeaders: (reply, path) =>
        reply.header(
          'cache-control',
          path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        ),
    });
  app.setNotFoundHandler((request, reply) => {
    if (folder !== undefined && isPage(request.method, request.url, request.headers.accept)) {
      return reply.sendFile('index.html');
    }
    const { status, body } = adminError(
      new SluiceError('route_not_found', 'There is no such endpoint here; `/api/openapi.json` lists them.'),
    );
    return reply.status(status).send(body);
  });
}

async function buildApp(
  ports: ServerPorts,
  serve: (handler: (request: IncomingMessage, response: ServerResponse) => void) => Server,
): Promise<FastifyInstance> {
  const app = fastify({
    serverFactory: (handler) => serve(handler),
    bodyLimit: 2 * 1024 * 1024,
    logger: false,
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 1000 },
    // Ours answers on the whole server, see `guardConnections`.
    clientErrorHandler: () => undefined,
    frameworkErrors: (_error, _request, reply) => {
      const { body } = adminError(badRequest('path', 'The path of this request is not valid.'));
      reply.code(400 as never).send(body as never);
    },
  });
  await app.register(fastifyCookie);
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        // Mantine writes style elements at run time; scripts stay external.
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        objectSrc: ["'none'"],
      },
    },
    strictTransportSecurity: false,
    crossOriginEmbedderPolicy: false,
  });
  registerHealth(app, ports);
  registerAdmin(app, ports.admin);
  registerSignIn(app, { ...ports.admin, ...ports.admin.signIn });
  registerScim(app, ports.scim);
  await registerPortal(app, ports.portalFolder);
  await app.ready();
  return app;
}

/** Refuses a request to the control plane or the portal. */
function refuse(response: ServerResponse, error: SluiceError, requestId: string): void {
  const { status, body } = adminError(error);
  response.writeHead(status, {
    'content-type': 'application/json',
    'x-sluice-request-id': requestId,
    'x-sluice-error': error.code,
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  response.end(JSON.stringify(body));
}

/** Bounds the number of connections, and answers on them what is no HTTP. */
function guardConnections(given: {
  readonly server: Server;
  readonly plain: PlainServer;
  readonly connections: Connections;
  readonly random: Random;
}): void {
  const { server, plain, connections, random } = given;
  const requestId = () => random.id('exc_');
  const full = new SluiceError('overloaded', 'Too many connections are open (`server.max_connections`).');
  server.on('connection', (socket) => {
    if (connections.open(socket)) {
      plain.accept(socket);
      return;
    }
    plain.pass(socket);
    dismiss(socket, lastWords(full, { path: '', requestId: requestId() }));
  });
  server.on('clientError', (error, socket) => {
    const answer = connections.answerOn(socket as Socket);
    answerMalformed(error, socket as Socket, { answer, requestId: requestId() });
  });
  server.on('checkExpectation', (request, response) => {
    const error = new SluiceError('bad_request', 'Of `Expect`, only `100-continue` is understood.', {
      param: 'expect',
      status: 417,
    });
    const words = { path: request.url ?? '', requestId: requestId() };
    response.detachSocket(request.socket);
    dismiss(request.socket, lastWords(error, words));
  });
}

/**
 * One node:http server: the data plane is served directly (PERFORMANCE §"Rules", 1), all else by fastify. Host and Origin
 * are checked before either.
 */
export async function listen(config: ServerConfig, ports: ServerPorts): Promise<RunningServer> {
  const guard = createPeerGuard(config);
  const isTrusted = config.trustedProxies.length === 0 ? undefined : trustedProxies(config.trustedProxies);
  const connections = new Connections({
    total: config.maxConnections,
    perAddress: config.maxConnectionsPerAddress,
    isProxy: isTrusted,
  });
  const begin = (request: ClientRequest, response: ClientResponse): void => {
    connections.begin(request.socket, response);
    if (isTrusted !== undefined) noteForwarded(request, isTrusted);
  };
  const serveData = (request: ClientRequest, response: ClientResponse): void => {
    begin(request, response);
    void serveDataPlane(ports.data, request, { response, refused: guard.refusal(request, true) });
  };
  let server: Server | undefined;
  let plain: PlainServer | undefined;
  const app = await buildApp(ports, (handler) => {
    server = createServer(
      {
        maxHeaderSize: config.maxHeaderBytes,
        headersTimeout: config.headerTimeoutMs,
        requestTimeout: 0,
        // The guard answers requests without `Host`, in the path's own dialect.
        requireHostHeader: false,
        keepAliveTimeout: config.keepAliveTimeoutMs,
        connectionsCheckingInterval: 1000,
        noDelay: true,
      },
      (request, response) => {
        const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
        if (isDataPlanePath(path)) {
          serveData(request, response);
          return;
        }
        begin(request, response);
        const refused = guard.refusal(request, false);
        if (refused === undefined) handler(request, response);
        else refuse(response, refused, ports.data.random.id('exc_'));
      },
    );
    plain = new PlainServer(server, { ...config, isServed: isDataPlanePath, serve: serveData });
    guardConnections({ server, plain, connections, random: ports.data.random });
    // Headers beyond node's own count would be dropped silently; the guard counts them.
    server.maxHeadersCount = 0;
    server.maxConnections = config.maxConnections + ACCEPT_SLACK;
    return server;
  });
  if (server === undefined) throw new Error('fastify did not ask for a server');
  const listening = server;
  const plainly = plain;
  await new Promise<void>((resolve, reject) => {
    listening.once('error', reject);
    listening.listen(config.port, config.host, () => {
      listening.off('error', reject);
      resolve();
    });
  });
  const address = listening.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : config.port,
    async close() {
      const closed = new Promise<void>((resolve) => listening.close(() => resolve()));
      // `close` waits for idle keep-alive sockets and for pages that watch; the answers themselves are out by now.
      listening.closeIdleConnections();
      plainly?.close();
      const rest = setTimeout(() => {
        listening.closeAllConnections();
        plainly?.closeAll();
      }, CLOSE_GRACE_MS);
      await closed;
      clearTimeout(rest);
      await app.close();
    },
  };
}
