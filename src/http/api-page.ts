import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';

/** Where the page and its script are. */
const PAGE = '/api/docs';

/**
 * The page runs one script, named by a nonce, and talks to this gateway only: no fonts, scripts or requests of anybody
 * else. Styles are written at run time.
 */
function policy(nonce: string): string {
  return [
    "default-src 'self'",
    `script-src 'nonce-${nonce}'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "object-src 'none'",
  ].join('; ');
}

/** What the reference is told; nothing of it leaves this machine. */
const SETTINGS = {
  url: '/api/openapi.json',
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  agent: { disabled: true },
  mcp: { disabled: true },
  theme: 'default',
};

function page(nonce: string): string {
  const settings = JSON.stringify(SETTINGS).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta property="csp-nonce" content="${nonce}" />
    <title>Sluice control plane</title>
    <link rel="icon" href="data:," />
  </head>
  <body>
    <div id="app"></div>
    <noscript>This page needs JavaScript; the document itself is at /api/openapi.json.</noscript>
    <script nonce="${nonce}" src="${PAGE}/js/scalar.js"></script>
    <script nonce="${nonce}">Scalar.createApiReference('#app', ${settings})</script>
  </body>
</html>`;
}

/** The script is four megabytes: read when somebody asks for it, and only then. */
async function loadScript(): Promise<string> {
  const { fastify } = await import('fastify');
  const reference = await import('@scalar/fastify-api-reference');
  const scratch = fastify();
  await scratch.register(reference.default, { routePrefix: '/r', configuration: { url: '/x' } });
  const answer = await scratch.inject({ method: 'GET', url: '/r/js/scalar.js' });
  await scratch.close();
  return answer.body;
}

/** `GET /api/docs`: the control plane's OpenAPI document as a page to browse and try. */
export function registerApiPage(app: FastifyInstance): void {
  let script: Promise<string> | undefined;
  app.get(PAGE, async (_request, reply) => {
    const nonce = randomBytes(18).toString('base64');
    return reply
      .header('content-security-policy', policy(nonce))
      .header('cache-control', 'no-store')
      .type('text/html; charset=utf-8')
      .send(page(nonce));
  });
  app.get(`${PAGE}/`, async (_request, reply) => reply.redirect(PAGE, 308));
  app.get(`${PAGE}/js/scalar.js`, async (_request, reply) => {
    script ??= loadScript();
    return reply
      .header('cache-control', 'public, max-age=3600')
      .type('text/javascript; charset=utf-8')
      .send(await script);
  });
}
