// The mixed load of a soak: both dialects, streams and whole answers, hang-ups, faults, large bodies, refused requests, several
// keys, and a look at the control plane now and then.
import { Agent, request } from 'node:http';
import { ADMIN_KEY } from './stand.mjs';

const WORDS = 'The quick brown fox jumps over the lazy dog. ';
/** Faults that an upstream shows in a soak; some are answered by a fallback, the others are errors for the client. */
const FAULTS = [
  'e500',
  'e503',
  'e529',
  'rst',
  'fin',
  'html200',
  'cut',
  'cut-clean',
  'mid-error',
  'bad-json',
  'err200-sse',
  'gzip',
  'usage-missing',
  'sse-crlf',
  'drip',
];

export const soakYaml = (url, turn) => {
  const provider = (type, base) =>
    `{ type: ${type}, base_url: "${url}${base}", api_key: k, allow_private_network: true, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }`;
  return `version: 1
access: { mode: keys }
log: { content: ${turn % 2 === 0 ? 'metadata' : 'full'} }
upstream: { timeouts: { first_byte_ms: 5000, idle_ms: 3000, total_ms: 15000 } }
providers:
  chat: ${provider('openai-compatible', '/v1')}
  claude: ${provider('anthropic', '')}
  gemini: ${provider('gemini', '')}
  shaky: ${provider('openai-compatible', '/v1')}
models:
  soak-chat: { deployments: ["chat/gpt"] }
  soak-claude: { deployments: ["claude/claude"] }
  soak-gemini: { deployments: ["gemini/gemini"] }
  soak-shaky: { retries: { attempts: 0 }, deployments: ["shaky/gpt"] }
  soak-spare: { strategy: priority, retries: { attempts: 0 }, deployments: ["shaky/gpt", "claude/claude"] }
  soak-turn-${turn}: { deployments: ["chat/gpt"] }
`;
};

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const GOOD_MODELS = ['soak-chat', 'soak-claude', 'soak-gemini'];

/** What to send: text of the prompt, model, and what may become of it. */
function plan() {
  const dice = Math.random();
  const orders = `[[sim tokens=${20 + Math.floor(Math.random() * 100)}]]`;
  if (dice < 0.7)
    return {
      kind: 'plain',
      model: pick(GOOD_MODELS),
      text: `${WORDS.repeat(1 + Math.random() * 60)}${orders}`,
    };
  if (dice < 0.76)
    return { kind: 'slow', model: pick(GOOD_MODELS), text: `${WORDS}[[sim tokens=80 tps=40]]`, stream: true };
  if (dice < 0.82)
    return { kind: 'left', model: pick(GOOD_MODELS), text: `${WORDS}[[sim tokens=100 tps=50]]` };
  if (dice < 0.94) {
    const model = pick(['soak-shaky', 'soak-spare']);
    return { kind: 'fault', model, text: `${WORDS}[[sim fault=${pick(FAULTS)}]]` };
  }
  if (dice < 0.95)
    return {
      kind: 'large',
      model: 'soak-chat',
      text: WORDS.repeat(20_000 + Math.random() * 80_000) + orders,
    };
  if (dice < 0.98) return { kind: 'refused', model: pick(['no-such-model', 'soak-chat']), text: '' };
  return { kind: 'look' };
}

function bodyOf({ kind, model, text, stream }, dialect) {
  if (kind === 'refused' && text === '') return '{"model": "soak-chat", "messages": [';
  const limit = dialect === 'anthropic' ? { max_tokens: 400 } : {};
  return JSON.stringify({ model, stream, ...limit, messages: [{ role: 'user', content: text }] });
}

const LOOKS = ['/metrics', '/api/exchanges?limit=50', '/api/usage', '/api/status', '/health/ready'];

/** Sends one request of the mix; `{ kind, ok }`. Never rejects. */
function send({ port, keys, agent }) {
  const chosen = plan();
  if (chosen.kind === 'look') return look(port, agent);
  const dialect = pick(['openai', 'anthropic']);
  const stream = chosen.stream ?? Math.random() < 0.6;
  const body = bodyOf({ ...chosen, stream }, dialect);
  const ending = dialect === 'anthropic' ? 'message_stop' : '[DONE]';
  const headers = {
    authorization: `Bearer ${chosen.kind === 'refused' && Math.random() < 0.3 ? 'sk-sluice-wrong' : pick(keys)}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-sluice-session': `s${Math.floor(Math.random() * 500)}`,
  };
  const path = dialect === 'anthropic' ? '/v1/messages' : '/v1/chat/completions';
  return new Promise((resolve) => {
    const end = (ok, why) => resolve({ kind: chosen.kind, ok, why });
    const outgoing = request(
      { host: '127.0.0.1', port, path, method: 'POST', headers, agent },
      (response) => {
        let tail = '';
        response.on('data', (part) => {
          tail = (tail + part.toString('latin1')).slice(-600);
          if (chosen.kind === 'left') outgoing.destroy();
        });
        response.on('error', () => end(chosen.kind !== 'plain', 'broken off'));
        response.on('end', () => {
          const status = response.statusCode;
          const whole = status === 200 && (!stream || tail.includes(ending));
          if (chosen.kind === 'refused') end(status >= 400 && status < 500, status);
          else if (chosen.kind === 'fault') end(status === 200 || status >= 500 || status === 429, status);
          else end(whole, `${status} ${tail.slice(-200).replace(/exc_\w+/g, '…')}`);
        });
      },
    );
    outgoing.on('error', () => end(chosen.kind === 'left', 'no answer'));
    outgoing.end(body);
    if (chosen.kind === 'left') setTimeout(() => outgoing.destroy(), Math.random() * 600);
  });
}

function look(port, agent) {
  const headers = { authorization: `Bearer ${ADMIN_KEY}` };
  return new Promise((resolve) => {
    const path = pick(LOOKS);
    const outgoing = request({ host: '127.0.0.1', port, path, headers, agent }, (response) => {
      response.resume();
      response.on('end', () =>
        resolve({ kind: 'look', ok: response.statusCode === 200, why: `${path} ${response.statusCode}` }),
      );
    });
    outgoing.on('error', () => resolve({ kind: 'look', ok: false, why: 'no answer' }));
    outgoing.end();
  });
}

/** Sends at a steady rate until stopped; at most `atOnce` at a time. */
export function startTraffic(target, { perSecond, atOnce }) {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const counts = {};
  const unexpected = new Map();
  let running = 0;
  let skipped = 0;
  let due = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    due = Math.min(due + ((now - last) / 1000) * perSecond, perSecond);
    last = now;
    for (; due >= 1; due--) {
      if (running >= atOnce) {
        skipped++;
        continue;
      }
      running++;
      void send({ ...target, agent }).then(({ kind, ok, why }) => {
        running--;
        counts[kind] = (counts[kind] ?? 0) + 1;
        if (!ok) unexpected.set(`${kind}: ${why}`, (unexpected.get(`${kind}: ${why}`) ?? 0) + 1);
      });
    }
  }, 5);
  return {
    counts,
    unexpected,
    skipped: () => skipped,
    async stop() {
      clearInterval(timer);
      const until = performance.now() + 20_000;
      while (running > 0 && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 50));
      agent.destroy();
      return running;
    },
  };
}
