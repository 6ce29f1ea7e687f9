/** What a client has to see. */
export type View =
  /** The whole text, the exact usage, the normal ending. */
  | { readonly kind: 'good' }
  /** A real HTTP status in the client's dialect; billed only where an answer was lost. */
  | { readonly kind: 'refused'; readonly statuses: readonly number[] }
  /** Content, then an error event and no normal ending; what was delivered is billed. */
  | { readonly kind: 'cut' }
  /** Either of the last two: what reaches the gateway first depends on the network. */
  | { readonly kind: 'broken'; readonly statuses: readonly number[] };

/** How the money is judged where the answer is good. */
export type Billing = 'exact' | 'estimated' | 'any';

/** One fault of the matrix. */
export interface FaultCase {
  /** RELIABILITY §2. */
  readonly group: string;
  /** Name in the table. */
  readonly name: string;
  /** Options for the simulator; absent for dead ends. */
  readonly ask?: string;
  /** An address that fails below HTTP. */
  readonly deadEnd?: 'refused' | 'reset' | 'black_hole' | 'unaccepting' | 'tls';
  /** One sentence: what is expected. */
  readonly expected: string;
  readonly whole: View;
  readonly stream: View;
  readonly billing?: Billing;
  /** What the good text begins with, besides the text asked for. */
  readonly prefix?: string;
  /** The text may be longer than asked for. */
  readonly longer?: boolean;
  /** Sound as far as the client sees: there is nothing to fail over from. */
  readonly sound?: boolean;
  /** Refused for what the request is: trying it elsewhere would be wrong. */
  readonly final?: boolean;
  /** Refuses the credential, which then rests: needs a provider of its own to be seen. */
  readonly account?: boolean;
  /** Memory of the gateway is watched. Runs alone. */
  readonly heavy?: boolean;
  /** The connection must not be used again. */
  readonly poisons?: boolean;
  /** Strikes after the last word of a stream: the answer may have been complete by then. */
  readonly late?: boolean;
}

/** One way a client leaves. */
export interface LeaveCase {
  readonly name: string;
  readonly ask: string;
  readonly streams: readonly boolean[];
  /** Leaves after so many milliseconds … */
  readonly afterMs?: number;
  /** … or after so many characters of the answer. */
  readonly afterText?: number;
  readonly expected: string;
}

const GOOD: View = { kind: 'good' };
const CUT: View = { kind: 'cut' };
const refused = (...statuses: number[]): View => ({ kind: 'refused', statuses });
const broken = (...statuses: number[]): View => ({ kind: 'broken', statuses });
const BAD_GATEWAY = refused(502);
const TIMEOUT = refused(504);

type Rest = Partial<Omit<FaultCase, 'group' | 'name' | 'expected' | 'whole' | 'stream'>>;

/** A fault that looks the same in streams and whole answers. */
function both(
  group: string,
  name: string,
  told: readonly [view: View, expected: string, rest?: Rest],
): FaultCase {
  const [view, expected, rest = {}] = told;
  return { group, name, ask: `fault=${name}`, expected, whole: view, stream: view, ...rest };
}

/** A fault that is a real status on a whole answer and a broken stream after content. */
function mid(
  group: string,
  name: string,
  told: readonly [whole: View, expected: string, rest?: Rest],
): FaultCase {
  const [whole, expected, rest = {}] = told;
  return { group, name, ask: `fault=${name},at=50`, expected, whole, stream: CUT, ...rest };
}

const SAME_CLASS =
  'The same class to the client in our words; the request is tried nowhere else; nothing billed.';
const AUTH =
  '502: the provider refused the gateway’s credential, not the client’s; the key rests, another deployment answers.';
const LIMITED = '429 with Retry-After in whole seconds, capped; another deployment answers.';
const SERVER = 'A 5xx of our own; another deployment answers; nothing billed.';
const NO_HTTP = '502 or 504 within the connect or first-byte limit; another deployment answers.';
const LAWFUL = 'Lawful: every character arrives, usage is exact.';
const LIE = 'The answer arrives; the count is our own, marked as estimated, within half and twice the truth.';
const BOUNDED = 'Memory stays within 100 MB; 502, or an error event after content; the upstream is closed.';

const REFUSALS: readonly FaultCase[] = [
  ...[400, 413, 422].map((status) =>
    both('F1', `e${status}`, [refused(status), SAME_CLASS, { final: true }]),
  ),
  both('F1', 'e404', [refused(404), '404; another deployment answers, because it may know the model.']),
  ...['e401', 'e402', 'e403', 'e401-key'].map((name) =>
    both('F2', name, [BAD_GATEWAY, AUTH, { account: true }]),
  ),
  ...['e429', 'e429-date', 'e429-long', 'e429-html'].map((name) => both('F3', name, [refused(429), LIMITED])),
  ...['e500', 'e502', 'e520', 'e500-html', 'e500-empty'].map((name) =>
    both('F4', name, [BAD_GATEWAY, SERVER]),
  ),
  ...['e503', 'e529'].map((name) => both('F4', name, [refused(503), SERVER])),
  both('F4', 'e504', [refused(502, 504), SERVER]),
  both('F4', 'e500-huge', [
    BAD_GATEWAY,
    `${SERVER} No more than 64 KB of the body are read.`,
    { heavy: true },
  ]),
  both('F4', 'e302', [BAD_GATEWAY, '502; the redirect is not followed.']),
  both('F4', 'e307', [BAD_GATEWAY, '502; the redirect is not followed.']),
];

const NO_ANSWER: readonly FaultCase[] = [
  ...['rst', 'fin', 'garbage-status'].map((name) => both('F5', name, [BAD_GATEWAY, NO_HTTP])),
  ...(['refused', 'reset', 'tls'] as const).map((deadEnd) =>
    both('F5', deadEnd, [BAD_GATEWAY, NO_HTTP, { deadEnd }]),
  ),
  both('F5', 'black_hole', [TIMEOUT, NO_HTTP, { deadEnd: 'black_hole' }]),
  both('F5', 'unaccepting', [refused(502, 504), NO_HTTP, { deadEnd: 'unaccepting' }]),
  both('F6', 'hang', [
    TIMEOUT,
    '504 at the first-byte limit; another deployment answers; the upstream is closed.',
  ]),
  both('F6', 'slow-headers', [
    TIMEOUT,
    'Headers that take longer than the limit are a 504.',
    { ask: 'fault=slow-headers,ms=30000' },
  ]),
  both('F6', 'slow-headers-within', [
    GOOD,
    'Slower, but within the limit: passes.',
    { ask: 'fault=slow-headers,ms=300', sound: true },
  ]),
  both('F6', 'ttfb', [GOOD, 'Slower, but within the limit: passes.', { ask: 'fault=ttfb:300', sound: true }]),
  both('F6', 'ttft', [GOOD, 'Slower, but within the limit: passes.', { ask: 'fault=ttft:300', sound: true }]),
  both('F6', 'ttfb-late', [
    TIMEOUT,
    '504 at the first-byte limit; another deployment answers.',
    { ask: 'fault=ttfb:30000' },
  ]),
  both('F6', 'ttft-late', [
    TIMEOUT,
    'Headers, then silence: 504 at the idle limit, because no content was out.',
    { ask: 'fault=ttft:30000' },
  ]),
];

const MIDWAY: readonly FaultCase[] = [
  mid('F7', 'stall', [
    TIMEOUT,
    'Error event at the idle limit, upstream closed, delivered tokens billed; whole: 504.',
  ]),
  mid('F7', 'stall-ping', [
    TIMEOUT,
    'Heart-beats alone do not keep a stream alive: error event at the progress limit; whole: 504 at the total limit.',
    { ask: 'fault=stall-ping,at=50,ms=100' },
  ]),
  both('F7', 'stall-within', [
    GOOD,
    'A pause within the limits passes.',
    { ask: 'fault=stall,at=50,ms=300', sound: true },
  ]),
  ...['cut', 'cut-fin', 'cut-clean', 'cut-mid-event'].map((name) =>
    mid('F8', name, [
      BAD_GATEWAY,
      'Error event, never a normal ending; billed what was delivered; whole: 502.',
    ]),
  ),
  ...['bad-json', 'bad-utf8'].map((name) => ({
    ...mid('F9', name, [BAD_GATEWAY, 'Error event where the answer becomes unreadable; whole: 502.']),
    stream: broken(502),
  })),
  mid('F9', 'mid-error', [
    refused(502, 503),
    'The provider’s own error event becomes ours, in the client’s dialect and our words.',
  ]),
  ...['err200', 'err200-sse'].map((name) =>
    both('F9', name, [
      refused(502, 503),
      'An error inside a 200 is an error; before content another deployment answers.',
    ]),
  ),
  both('F9', 'html200', [BAD_GATEWAY, '502: a page is no answer.']),
  both('F9', 'wrong-ct', [GOOD, 'A good answer under a wrong label is read.', { sound: true }]),
  both('F9', 'json-for-sse', [GOOD, 'A whole answer to a streamed call is converted.', { sound: true }]),
  {
    ...both('F9', 'sse-for-json', [GOOD, 'A stream in place of a whole answer is a 502.', { sound: true }]),
    whole: BAD_GATEWAY,
    sound: false,
  },
];

const VARIETY: readonly FaultCase[] = [
  ...[
    'sse-crlf',
    'sse-cr',
    'sse-bom',
    'sse-comments',
    'sse-nospace',
    'sse-nofinal',
    'sse-unknown',
    'sse-multiline',
    'empty-choices',
    'drip',
    'gzip',
    'info-1xx',
  ].map((name) => both('F10', name, [GOOD, LAWFUL, { sound: true }])),
  both('F10', 'sse-split-utf8', [GOOD, LAWFUL, { sound: true, prefix: 'Grüße 😀 日本語 – ' }]),
  both('F10', 'hop-headers', [
    GOOD,
    'No hop-by-hop, cookie, CORS or organisation header is passed on.',
    { sound: true },
  ]),
];

const FLOODS: readonly FaultCase[] = [
  ...['huge', 'tiny', 'endless']
    .map((name) => both('F11', name, [BAD_GATEWAY, BOUNDED, { heavy: true }]))
    .map((entry) => ({ ...entry, stream: CUT })),
  both('F11', 'huge-event', [BAD_GATEWAY, BOUNDED, { heavy: true, ask: 'fault=huge-event:18' }]),
  both('F11', 'gzip-bomb', [BAD_GATEWAY, BOUNDED, { heavy: true }]),
  both('F11', 'gzip-chain', [BAD_GATEWAY, 'One coding layer is taken, three are a 502.']),
  both('F11', 'deep', [BAD_GATEWAY, 'JSON deeper than 64 levels is a 502.', { heavy: true }]),
  both('F11', 'big-headers', [BAD_GATEWAY, 'Headers above the limit are a 502.']),
];

const DESYNC = '502, or an error event after content; the connection is not used again.';
const LYING: readonly FaultCase[] = [
  ...['cl-te', 'bad-cl', 'bad-chunk'].map((name) => ({
    ...both('F12', name, [BAD_GATEWAY, DESYNC, { poisons: true, late: name === 'bad-cl' }]),
    stream: broken(502),
  })),
  ...['missing', 'null', 'zero', 'string', 'float', 'negative', 'huge'].map((word) =>
    both('F13', `usage-${word}`, [GOOD, LIE, { billing: 'estimated', sound: true }]),
  ),
  both('F13', 'wrong-model', [
    GOOD,
    'Another model’s name in the answer changes nothing; billed as reported.',
    { sound: true },
  ]),
  both('F13', 'ignore-max-tokens', [GOOD, 'What was really used is billed.', { sound: true, longer: true }]),
];

/** Every fault, in the order of RELIABILITY §2. */
export const CASES: readonly FaultCase[] = [
  ...REFUSALS,
  ...NO_ANSWER,
  ...MIDWAY,
  ...VARIETY,
  ...FLOODS,
  ...LYING,
];

const LEFT =
  'Upstream closed within 250 ms, logged as abandoned, billed within 10 % of what the provider bills.';

/** Every way a client leaves. */
export const LEAVES: readonly LeaveCase[] = [
  {
    name: 'leaves-before-first-byte',
    ask: 'fault=ttfb:20000',
    streams: [true, false],
    afterMs: 150,
    expected: LEFT,
  },
  {
    name: 'leaves-before-content',
    ask: 'fault=ttft:20000',
    streams: [true, false],
    afterMs: 150,
    expected: LEFT,
  },
  {
    name: 'leaves-mid-stream',
    ask: 'ttft_ms=1,tps=120,chunk=12',
    streams: [true],
    afterText: 300,
    expected: LEFT,
  },
  { name: 'leaves-stalled', ask: 'fault=stall,at=50', streams: [true], afterText: 150, expected: LEFT },
  { name: 'leaves-whole', ask: 'ttft_ms=20000', streams: [false], afterMs: 150, expected: LEFT },
];
