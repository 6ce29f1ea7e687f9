// A provider that keeps its own books: how many calls it answered in full, how many it began, and what it would bill for them.
import { createServer } from 'node:http';

const books = { received: 0, finished: 0 };
const USAGE = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };
const PIECES = 6;
/** An answer takes up to this long, so that a kill finds calls at every stage. Milliseconds. */
const LONGEST_MS = 120;

const chunk = (fields) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-k', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields })}\n\n`;
const piece = (delta, finish_reason = null) => chunk({ choices: [{ index: 0, delta, finish_reason }] });
const END = `${piece({}, 'stop') + chunk({ choices: [], usage: USAGE })}data: [DONE]\n\n`;
const WHOLE = JSON.stringify({
  id: 'chatcmpl-k',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there.' }, finish_reason: 'stop' }],
  usage: USAGE,
});

function stream(response, everyMs) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let sent = 0;
  const timer = setInterval(() => {
    if (sent < PIECES) response.write(piece({ content: `word ${sent} ` }));
    else {
      clearInterval(timer);
      books.finished++;
      response.end(END);
    }
    sent++;
  }, everyMs);
  response.on('close', () => clearInterval(timer));
}

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    books.received++;
    const ms = Math.random() * LONGEST_MS;
    if (JSON.parse(Buffer.concat(parts)).stream) {
      stream(response, Math.max(1, ms / (PIECES + 1)));
      return;
    }
    setTimeout(() => {
      if (response.destroyed) return;
      books.finished++;
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': WHOLE.length });
      response.end(WHOLE);
    }, ms);
  });
  request.on('error', () => undefined);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', 512, () => process.send({ port: server.address().port }));
process.on('message', () => process.send(books));
process.on('disconnect', () => process.exit(0));
