import { errorBody } from './errors.ts';
import { good, refusal, type Scene, sent } from './scene.ts';
import type { Script } from './script.ts';

type Play = (scene: Scene) => Script;

const HTML = (status: number, title: string): string =>
  `<!DOCTYPE html>\n<html><head><title>${status} ${title}</title></head>\n<body><center><h1>${status} ${title}</h1></center><hr><center>nginx</center></body></html>\n`;

function html(scene: Scene, status: number, title: string): Script {
  return {
    status,
    headers: { ...scene.facts.headers, 'content-type': 'text/html; charset=utf-8' },
    steps: sent(HTML(status, title)),
  };
}

const SENTENCES: Readonly<Record<number, string>> = {
  400: "Invalid value for 'temperature': expected a number between 0 and 2.",
  401: 'Incorrect API key provided.',
  402: 'You exceeded your current quota, please check your plan and billing details.',
  403: 'Your account does not have permission to use this model.',
  404: 'The model does not exist or you do not have access to it.',
  413: 'Request exceeds the maximum size.',
  422: 'The request was well-formed but could not be processed.',
  429: 'Rate limit reached for requests. Please try again later.',
  500: 'The server had an error while processing your request.',
  502: 'Bad gateway.',
  503: 'The engine is currently overloaded, please try again later.',
  504: 'The request took too long to process.',
  529: 'Overloaded',
};

function status(code: number): Play {
  const param = code === 400 ? 'temperature' : undefined;
  return (scene) => refusal(scene, { status: code, message: SENTENCES[code] ?? 'Error.', param });
}

/** Waits this long are asked for by plain rate limits, seconds. */
const RETRY_AFTER_S = 2;

function limited(scene: Scene, retryAfterS: number): Script {
  return refusal(scene, { status: 429, message: SENTENCES[429] ?? '', retryAfterS });
}

function limitedUntil(scene: Scene): Script {
  const date = new Date(scene.facts.now + RETRY_AFTER_S * 1000).toUTCString();
  const script = status(429)(scene);
  return { ...script, headers: { ...script.headers, 'retry-after': date } };
}

function redirect(code: number): Play {
  return (scene) => ({
    status: code,
    headers: { location: scene.options.to ?? 'http://127.0.0.1:9/__redirected' },
    steps: sent(''),
  });
}

/** A body of 24 MB. */
function hugeError(scene: Scene): Script {
  const block = `${'the server had an error. '.repeat(2622)}\n`;
  const blocks = Math.ceil(24_000_000 / block.length);
  return {
    status: 500,
    headers: { ...scene.facts.headers, 'content-type': 'application/json' },
    steps: (function* () {
      yield { do: 'send', data: '{"error":{"message":"' } as const;
      for (let count = 0; count < blocks; count++) yield { do: 'send', data: block } as const;
      yield { do: 'send', data: '"}}' } as const;
      yield { do: 'end' } as const;
    })(),
  };
}

function errorWithKey(scene: Scene): Script {
  const key = scene.facts.credential === '' ? 'sk-none' : scene.facts.credential;
  const message = `Incorrect API key provided: ${key}. You can find your API key in your account settings.`;
  return refusal(scene, { status: 401, message });
}

/** Status 200 with an error body, where an answer was expected. */
export function errorAs200(scene: Scene): Script {
  const body = errorBody(scene.facts.format, { status: 500, message: SENTENCES[500] ?? '' });
  const headers = { ...scene.facts.headers, 'content-type': 'application/json' };
  return { ...good(scene), headers, steps: sent(JSON.stringify(body)) };
}

/** Answers that refuse, by mode. */
export const REFUSALS: Readonly<Record<string, Play>> = {
  e400: status(400),
  e401: status(401),
  e402: status(402),
  e403: status(403),
  e404: status(404),
  e413: status(413),
  e422: status(422),
  e429: (scene) => limited(scene, scene.value ?? RETRY_AFTER_S),
  'e429-date': limitedUntil,
  'e429-long': (scene) => limited(scene, 86_400),
  'e429-html': (scene) => html(scene, 429, 'Too Many Requests'),
  'e401-key': errorWithKey,
  e500: status(500),
  e502: status(502),
  e503: status(503),
  e504: status(504),
  e520: (scene) => html(scene, 520, 'Web server is returning an unknown error'),
  e529: status(529),
  'e500-html': (scene) => html(scene, 500, 'Internal Server Error'),
  'e500-empty': () => ({ status: 500, headers: {}, steps: sent('') }),
  'e500-huge': hugeError,
  e302: redirect(302),
  e307: redirect(307),
  html200: (scene) => html(scene, 200, 'Welcome'),
  err200: errorAs200,
};
