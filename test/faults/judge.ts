import type { ReceivedCall } from '../../src/app/simulator/memory.ts';
import type { OutputOf } from '../../src/control/contract.ts';
import { estimateTokens } from '../../src/core/cost/estimate.ts';
import type { FaultCase, View } from './cases.ts';
import type { ClientAnswer } from './client.ts';
import { type Dialect, MAX_TOKENS } from './dialects.ts';
import { CANARY, PRICE } from './stand.ts';

export type LogRow = OutputOf<'listExchanges'>['data'][number];

/** Everything that is known of one cell after it ran. */
export interface Evidence {
  readonly fault: FaultCase;
  readonly dialect: Dialect;
  readonly stream: boolean;
  readonly answer: ClientAnswer;
  /** Rows of the log with this cell's request id. */
  readonly rows: readonly LogRow[];
  /** What the faulty upstream received. */
  readonly calls: readonly ReceivedCall[];
  readonly expectedText: string;
  readonly secrets: readonly string[];
}

/** Words that give away a provider's text, an address, a stack or a library. */
const LEAKS = [
  CANARY,
  'Incorrect API key',
  'The server had an error',
  'overloaded or not ready',
  'currently overloaded, please',
  'Rate limit reached for',
  'exceeded your current quota',
  'does not have permission to use',
  'do not have access to it',
  'Request exceeds the maximum',
  'well-formed but could not',
  'expected a number between',
  'took too long to process',
  'nginx',
  '<html',
  '<!DOCTYPE',
  'node_modules',
  '.ts:',
  '    at ',
  'ECONN',
  'UND_ERR',
  'HPE_',
  'hop-secret',
];

/** Headers of an upstream that say something about it or about the connection to it. */
const NOT_RELAYED = [
  'set-cookie',
  'access-control-allow-origin',
  'openai-organization',
  'anthropic-organization-id',
  'x-internal-token',
  'proxy-authenticate',
  'x-powered-by',
  'server',
];

/** Errors after which the same request may do better. */
const RETRYABLE = new Set([
  'upstream_rate_limited',
  'upstream_overloaded',
  'upstream_error',
  'upstream_unreachable',
  'upstream_malformed',
  'upstream_timeout',
  'upstream_cut',
]);

/** Longest `retry-after` that may reach a client (`upstream.max_retry_after_s`). */
const MAX_RETRY_AFTER_S = 300;

/** Collects what is wrong with a cell. */
class Findings {
  readonly list: string[] = [];

  /** `what` is a finding unless `holds`. */
  expect(holds: boolean, what: string): void {
    if (!holds) this.list.push(what);
  }
}

function costNano(usage: { readonly input: number; readonly output: number }): number {
  return usage.input * PRICE.input + usage.output * PRICE.output;
}

function nanoOf(usd: string | null | undefined): number {
  return Math.round(Number(usd ?? Number.NaN) * 1e9);
}

function judgeSecrecy(text: string, evidence: Evidence, findings: Findings): void {
  for (const leak of [...LEAKS, ...evidence.secrets]) {
    findings.expect(!text.includes(leak), `an error shows "${leak}"`);
  }
}

function judgeHeaders({ answer }: Evidence, findings: Findings): void {
  findings.expect(/^[\w-]+$/.test(String(answer.headers['x-sluice-request-id'] ?? '')), 'no request id');
  for (const name of NOT_RELAYED) findings.expect(answer.headers[name] === undefined, `relays \`${name}\``);
}

function judgeRow(evidence: Evidence, outcomes: readonly string[], findings: Findings): LogRow | undefined {
  const { rows } = evidence;
  findings.expect(rows.length === 1, `${rows.length} log rows`);
  const [row] = rows;
  if (row !== undefined) {
    findings.expect(outcomes.includes(row.outcome), `logged as ${row.outcome}, not ${outcomes.join(' or ')}`);
  }
  return row;
}

/** The upstream's side: asked once, and left. */
function judgeUpstream({ fault, calls }: Evidence, findings: Findings): void {
  if (fault.deadEnd !== undefined) return;
  findings.expect(calls.length === 1, `the upstream was asked ${calls.length} times`);
  findings.expect(
    calls.every(({ done }) => done),
    'the connection to the upstream was not closed',
  );
}

function judgeRefusal(evidence: Evidence, statuses: readonly number[], findings: Findings): void {
  const { answer, dialect } = evidence;
  // Anthropic's own word for overload is 529.
  const allowed =
    dialect.id === 'anthropic-messages' && statuses.includes(503) ? [...statuses, 529] : statuses;
  findings.expect(allowed.includes(answer.status), `status ${answer.status}, not ${statuses.join(' or ')}`);
  if (answer.status < 400) return;
  const code = String(answer.headers['x-sluice-error'] ?? '');
  findings.expect(/^[a-z_]+$/.test(code), 'no x-sluice-error');
  const wrong = dialect.faultOfError(answer.errorJson, answer.status);
  findings.expect(wrong === undefined, `not an error of this dialect: ${wrong}`);
  findings.expect(answer.complete, 'the error answer is not complete');
  if (RETRYABLE.has(code)) {
    const after = String(answer.headers['retry-after'] ?? '');
    const holds = /^\d+$/.test(after) && Number(after) >= 1 && Number(after) <= MAX_RETRY_AFTER_S;
    findings.expect(holds, `retry-after is "${after}" with ${code}`);
  }
  if (evidence.fault.name === 'e400' && evidence.calls[0]?.format.startsWith('openai') === true) {
    findings.expect(answer.body.includes('temperature'), 'the field that the provider named is not named');
    findings.expect(answer.body.includes('invalid_request_error'), 'the provider’s code is not named');
  }
  judgeSecrecy(answer.body + JSON.stringify(answer.headers), evidence, findings);
  const row = judgeRow(
    evidence,
    evidence.fault.final === true ? ['refused'] : ['failed', 'refused'],
    findings,
  );
  if (row === undefined) return;
  if (LOST.has(code)) judgeLostBill(evidence, row, findings);
  else findings.expect(nanoOf(row.cost_usd) === 0, `billed ${row.cost_usd} for a refusal`);
}

/** Failures of answers that may have been made, and so are billed by who made them. */
const LOST: ReadonlySet<string> = new Set([
  'upstream_cut',
  'upstream_malformed',
  'upstream_too_large',
  'upstream_timeout',
]);

/** Faults after which no answer has begun, or one that is not the provider's own: a page of HTML. */
const UNBEGUN: ReadonlySet<string> = new Set(['hang', 'slow-headers', 'ttfb-late', 'html200', 'big-headers']);

/** What was lost is paid for about as the upstream bills it; what it does not bill costs no more than the longest answer. */
function judgeLostBill(evidence: Evidence, row: LogRow, findings: Findings): void {
  const { calls, fault } = evidence;
  const charged = nanoOf(row.cost_usd);
  const most = costNano({ input: 2000, output: MAX_TOKENS }) * calls.length;
  findings.expect(charged <= most, `billed ${charged}, more than ${most} nano-dollars`);
  if (fault.heavy === true || fault.poisons === true || evidence.stream || UNBEGUN.has(fault.name)) return;
  const owed = calls.reduce((sum, { usage }) => {
    return usage === null ? sum : sum + costNano({ input: usage.input, output: usage.output });
  }, 0);
  findings.expect(charged >= owed / 2, `billed ${charged} for ${owed} nano-dollars`);
}

function judgeUsage(evidence: Evidence, truth: { input: number; output: number }, findings: Findings): void {
  const { input, output } = evidence.answer.reading;
  findings.expect(input === truth.input, `the client reads ${input} input tokens, not ${truth.input}`);
  findings.expect(output === truth.output, `the client reads ${output} output tokens, not ${truth.output}`);
}

function judgeBill(evidence: Evidence, row: LogRow, findings: Findings): void {
  const { fault, calls } = evidence;
  const billed = calls.at(-1)?.usage;
  if (billed === undefined || billed === null) {
    findings.expect(false, 'the upstream billed nothing');
    return;
  }
  const truth = { input: billed.input + billed.cache_read, output: billed.output };
  const [owed, charged] = [costNano(truth), nanoOf(row.cost_usd)];
  const { source } = row.usage;
  if (fault.billing === 'estimated') {
    findings.expect(source === 'estimated', `usage is marked ${source}`);
    findings.expect(charged >= owed / 2 && charged <= owed * 2, `billed ${charged} for ${owed} nano-dollars`);
    return;
  }
  findings.expect(source === 'reported', `usage is marked ${source}`);
  findings.expect(charged === owed, `billed ${charged} for ${owed} nano-dollars`);
  judgeUsage(evidence, truth, findings);
}

function judgeText({ answer, expectedText, fault }: Evidence, findings: Findings): void {
  const { text } = answer.reading;
  const holds = fault.longer === true ? text.startsWith(expectedText) : text === expectedText;
  findings.expect(holds, `the text differs: "${text.slice(0, 60)}" (${text.length} characters)`);
}

function judgeGood(evidence: Evidence, findings: Findings): LogRow | undefined {
  const { answer } = evidence;
  findings.expect(answer.status === 200, `status ${answer.status}, not 200`);
  if (answer.status !== 200) return undefined;
  judgeText(evidence, findings);
  findings.expect(answer.complete, 'the answer is not complete');
  findings.expect(answer.reading.ended, 'no normal ending');
  findings.expect(answer.reading.error === undefined, 'an error stands in a good answer');
  findings.expect(answer.unreadable === 0, `${answer.unreadable} events are no JSON`);
  return judgeRow(evidence, ['answered'], findings);
}

/** Share of the estimate of what was delivered that must at least be billed: estimates differ a little by method. */
const DELIVERED_SLACK = 0.8;

function judgeCutBill(evidence: Evidence, row: LogRow, findings: Findings): void {
  const { answer, calls, fault } = evidence;
  const delivered = estimateTokens(answer.reading.text);
  const { output } = row.usage;
  findings.expect(output >= delivered * DELIVERED_SLACK, `billed ${output} of ${delivered} output tokens`);
  findings.expect(nanoOf(row.cost_usd) > 0, 'billed nothing for what was delivered');
  const billed = calls.at(-1)?.usage;
  // What is broken on the level of HTTP the simulator does not bill.
  if (fault.heavy === true || fault.poisons === true || billed === undefined || billed === null) return;
  const owed = costNano({ input: billed.input, output: billed.output });
  findings.expect(
    nanoOf(row.cost_usd) <= owed * 2,
    `billed ${nanoOf(row.cost_usd)} for ${owed} nano-dollars`,
  );
}

function judgeCut(evidence: Evidence, findings: Findings): void {
  const { answer, dialect, fault } = evidence;
  const { reading } = answer;
  findings.expect(answer.status === 200, `status ${answer.status}, not 200`);
  if (answer.status !== 200) return;
  findings.expect(reading.error !== undefined, 'no error event');
  findings.expect(!reading.ended || fault.late === true, 'a normal ending after a cut');
  findings.expect(reading.text !== '', 'nothing was delivered');
  findings.expect(answer.complete, 'the connection broke instead of ending after the error event');
  findings.expect(!answer.afterError, 'something follows the error event');
  findings.expect(answer.unreadable === 0, `${answer.unreadable} events are no JSON`);
  findings.expect(answer.isUtf8, 'bytes that are no UTF-8 were passed on');
  if (fault.heavy !== true) {
    findings.expect(
      evidence.expectedText.startsWith(reading.text),
      `wrong text: "${reading.text.slice(-60)}"`,
    );
  }
  if (answer.errorJson !== undefined) {
    const wrong = dialect.faultOfError(answer.errorJson, 200);
    findings.expect(wrong === undefined, `not an error event of this dialect: ${wrong}`);
    judgeSecrecy(JSON.stringify(answer.errorJson), evidence, findings);
  }
  const row = judgeRow(evidence, ['cut'], findings);
  if (row !== undefined) judgeCutBill(evidence, row, findings);
}

/** What is wrong with a cell whose only upstream has the fault; empty when nothing is. */
export function judgeDirect(evidence: Evidence, view: View): readonly string[] {
  const findings = new Findings();
  judgeHeaders(evidence, findings);
  judgeUpstream(evidence, findings);
  const isRefused = view.kind === 'refused' || (view.kind === 'broken' && evidence.answer.status >= 400);
  if (isRefused) judgeRefusal(evidence, view.statuses, findings);
  else if (evidence.fault.late === true && evidence.answer.reading.error === undefined)
    judgeGood(evidence, findings);
  else if (view.kind === 'good') {
    const row = judgeGood(evidence, findings);
    if (row !== undefined) judgeBill(evidence, row, findings);
  } else judgeCut(evidence, findings);
  return findings.list;
}

/** What is wrong with a cell where a sound upstream has to take over before any content. */
export function judgeFailover(evidence: Evidence): readonly string[] {
  const findings = new Findings();
  judgeHeaders(evidence, findings);
  judgeUpstream(evidence, findings);
  const row = judgeGood(evidence, findings);
  if (row === undefined) return findings.list;
  const { headers } = evidence.answer;
  findings.expect(headers['x-sluice-attempts'] === '2', `${headers['x-sluice-attempts']} attempts, not 2`);
  findings.expect(String(headers['x-sluice-provider']).startsWith('g-'), 'the sound upstream did not answer');
  // With an answer that was lost on the way, the sum is an estimate.
  const { source } = row.usage;
  const mayBeSum = evidence.calls.some(({ status }) => status < 300);
  findings.expect(source === 'reported' || (mayBeSum && source === 'estimated'), `usage is marked ${source}`);
  const owed = costNano({ input: row.usage.input + row.usage.cache_read, output: row.usage.output });
  findings.expect(nanoOf(row.cost_usd) === owed, `billed ${row.cost_usd} for ${owed} nano-dollars`);
  return findings.list;
}

/** R4: the upstream is left within this. */
const LEAVE_MS = 250;
/** R4: the bill is within this share of the provider's. */
const LEAVE_SHARE = 0.1;

/** What is wrong with a cell whose client left. */
export function judgeLeave(evidence: Evidence): readonly string[] {
  const findings = new Findings();
  judgeUpstream(evidence, findings);
  const row = judgeRow(evidence, ['abandoned'], findings);
  findings.expect(row === undefined || row.status === 499, `logged with status ${row?.status}`);
  const [call] = evidence.calls;
  if (call === undefined || row === undefined) return findings.list;
  const late = (call.ended_at ?? Number.POSITIVE_INFINITY) - evidence.answer.overAt;
  findings.expect(late <= LEAVE_MS, `the upstream was closed after ${late} ms`);
  const owed = call.usage === null ? 0 : costNano({ input: call.usage.input, output: call.usage.output });
  const charged = nanoOf(row.cost_usd);
  const isNear = Math.abs(charged - owed) <= owed * LEAVE_SHARE;
  findings.expect(isNear, `billed ${charged} for ${owed} nano-dollars`);
  return findings.list;
}
