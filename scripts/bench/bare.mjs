// The yardstick: the least a Node gateway can do. node:http in, undici `dispatch` out, nothing in between. Run as
// `node bare.mjs UPSTREAM_PORT`; prints its own port.
import { createServer } from 'node:http';
import { Pool } from 'undici';

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { connections: 512, pipelining: 1 });

class Forward {
  constructor(response) {
    this.response = response;
    this.controller = undefined;
  }

  onRequestStart(controller) {
    this.controller = controller;
  }

  onResponseStart(_controller, status, headers) {
    const passed = {};
    for (const name in headers) {
      if (name !== 'connection' && name !== 'keep-alive' && name !== 'transfer-encoding')
        passed[name] = headers[name];
    }
    this.response.writeHead(status, passed);
  }

  onResponseData(controller, chunk) {
    if (this.response.write(chunk)) return;
    controller.pause();
    this.response.once('drain', () => controller.resume());
  }

  onResponseEnd() {
    this.response.end();
  }

  onResponseError() {
    if (this.response.headersSent) this.response.destroy();
    else this.response.writeHead(502).end();
  }
}

function dispatch(request, response, body) {
  const handler = new Forward(response);
  response.once('close', () => {
    if (!response.writableFinished) handler.controller?.abort(new Error('client left'));
  });
  const headers = {
    'content-type': 'application/json',
    authorization: request.headers.authorization ?? '',
  };
  pool.dispatch({ method: 'POST', path: request.url, headers, body }, handler);
}

const server = createServer({ noDelay: true, keepAliveTimeout: 60_000 }, (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () =>
    dispatch(request, response, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)),
  );
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('SIGTERM', () => process.exit(0));
