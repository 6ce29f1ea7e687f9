// A provider whose streams begin and then say nothing until they are told to end.
import { createServer } from 'node:http';

const open = new Set();
const chunk = (delta, finish = null, usage = null) =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-idle',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'idle',
    choices: usage === null ? [{ index: 0, delta, finish_reason: finish }] : [],
    usage,
  })}\n\n`;
const FIRST = chunk({ role: 'assistant', content: 'Once upon a time' });
const LAST =
  chunk({ content: ' it ended.' }) +
  chunk({}, 'stop') +
  chunk({}, null, { prompt_tokens: 9, completion_tokens: 7, total_tokens: 16 }) +
  'data: [DONE]\n\n';

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(FIRST);
    open.add(response);
    response.on('close', () => open.delete(response));
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', 1024, () => process.send({ port: server.address().port }));
process.on('message', (asked) => {
  if (asked.finish) for (const response of open) response.end(LAST);
  process.send({ open: open.size });
});
process.on('disconnect', () => process.exit(0));
