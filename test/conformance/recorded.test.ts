import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CODECS } from '../../src/formats/registry.ts';
import type { ChatRequest, JsonObject } from '../../src/core/model/index.ts';
import { CLIENT_DIALECTS } from '../../src/formats/dialects.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import type { WireCase } from '../golden/wire.ts';
import { callGateway, eachOf } from './support/calls.ts';
import { neutralRequest, NEUTRAL } from './support/neutral-request.ts';
import { pinFormat, pinnedName } from './support/vendors.ts';
import { API_FORMATS, canonOf, chatCases, CORPUS_PRESENT, openUpstream, recordedRequest } from './support/wire-corpus.ts';
import { writeFileSync, mkdirSync } from 'node:fs';

const DIALECTS = Object.keys(CLIENT_DIALECTS).filter((d) => NEUTRAL[d] !== undefined);
const CASES = chatCases().filter((entry) => entry.status < 400);
const DECODE_API: Record<string, string> = { 'anthropic-messages': 'anthropic' };

describe.skipIf(!CORPUS_PRESENT)('probe', () => {
  let gateway: TestGateway;
  let up: Awaited<ReturnType<typeof openUpstream>>;
  beforeAll(async () => {
    up = await openUpstream();
    const names = new Set(CASES.map((e) => `${e.provider}|${API_FORMATS[e.api]}`));
    const lines = [...names].map((n) => {
      const [v = '', f = ''] = n.split('|');
      pinFormat(v, f);
      return `  ${pinnedName(v, f)}: { base_url: "${up.replay.url}", allow_private_network: true${v.includes('vertex') ? ', credentials: { project: p }, region: us-east1' : ''} }`;
    });
    gateway = await startGateway({ yaml: `version: 1\nupstream: { retries: { attempts: 0 } }\nproviders:\n${lines.join('\n')}\n` });
  });
  afterAll(async () => { await gateway?.close(); await up?.replay.close(); });
  it('runs', async () => {
    const out: object[] = [];
    const jobs = DIALECTS.flatMap((dialect) => CASES.map((entry) => ({ dialect, entry })));
    await eachOf(jobs, 8, async ({ dialect, entry }) => {
      const format = API_FORMATS[entry.api] ?? 'gemini';
      const model = `${pinnedName(entry.provider, format)}/${entry.model}`;
      const raw = recordedRequest(entry) as JsonObject;
      let decoded: ChatRequest | undefined; let note = '';
      try { decoded = CODECS[format].decodeRequest({ model: entry.model, stream: entry.stream, ...raw }); } catch (e) { note = String(e); }
      const body = dialect === format ? raw : neutralRequest(dialect, model, decoded);
      const reply = await callGateway(gateway.url, { dialect, model, stream: entry.stream, body, credential: `case:${entry.id}~chunk=${entry.stream ? 'odd' : 'whole'}` });
      let got: any; 
      if (reply.status !== 200) got = { http: reply.status, body: reply.bytes.toString().slice(0, 400) };
      else try { got = up.decode({ api: DECODE_API[dialect] ?? dialect, provider: 'client', stream: entry.stream, status: 200, response: entry.stream ? 'x.sse' : 'x.json' }, reply.bytes); } catch (e) { got = { decodeError: String(e), body: reply.bytes.toString().slice(0, 400) }; }
      out.push({ dialect, id: entry.id, format, note, got, want: canonOf(entry.id), dropped: reply.headers['x-sluice-dropped'], plan: reply.headers['x-sluice-plan'] });
    });
    writeFileSync('/tmp/recorded.json', JSON.stringify(out));
    expect(out.length).toBeGreaterThan(0);
  }, 300_000);
});
