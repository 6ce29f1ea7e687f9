import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { ALL, type Case, CHATS, SAME, type Target } from './case.ts';

const text = (target: Target, more: object = {}) => JSON.stringify({ ...target.body, ...more });

/** A body of `target` with a member in front, as JSON text. */
const withMember = (target: Target, member: string) => `{${member},${text(target).slice(1)}`;

/** Texts that are no JSON object. */
const NO_JSON: Readonly<Record<string, string | Buffer>> = {
  empty: '',
  spaces: '   ',
  null: 'null',
  number: '5',
  'long number': '123456789012345678901234567890',
  string: '"a"',
  array: '[]',
  'array of objects': '[{}]',
  cut: '{"model":"chat","messages":[',
  'cut string': '{"model":"cha',
  'trailing comma': '{"model":"chat",}',
  'single quotes': "{'model':'chat'}",
  comment: '{"model":"chat"/*a*/}',
  nan: '{"model":"chat","temperature":NaN}',
  infinity: '{"model":"chat","temperature":-Infinity}',
  hex: '{"model":"chat","temperature":0x10}',
  'leading zero': '{"model":"chat","temperature":01}',
  plus: '{"model":"chat","temperature":+1}',
  'two documents': '{"model":"chat"}{"model":"chat"}',
  lines: '{"model":"chat"}\n{"model":"chat"}',
  'raw NUL': '{"model":"ch\u0000at"}',
  'raw newline in a string': '{"model":"ch\nat"}',
  'bad escape': '{"model":"\\x41"}',
  'short escape': '{"model":"\\u12"}',
  bom: '\ufeff{"model":"chat"}',
  html: '<html></html>',
  form: 'model=chat&messages=a',
  'utf-16': Buffer.from('{"model":"chat"}', 'utf16le'),
  overlong: Buffer.from('7b226d6f64656c223a22c080227d', 'hex'),
  'surrogate in utf-8': Buffer.from('7b226d6f64656c223a22eda080227d', 'hex'),
  'beyond unicode': Buffer.from('7b226d6f64656c223a22f5808080227d', 'hex'),
  'cut utf-8': Buffer.from('7b226d6f64656c223a22e282227d', 'hex'),
  'byte ff': Buffer.from('7b226d6f64656c223a22ff227d', 'hex'),
  'zip file': Buffer.from('504b030414000000080000000000', 'hex'),
};

function shapes(target: Target): Case[] {
  const { path, name } = target;
  const deep = (open: string, close: string, levels: number) =>
    withMember(target, `"deep":${open.repeat(levels)}1${close.repeat(levels)}`);
  const bodies: Readonly<Record<string, string>> = {
    'depth 65': deep('[', ']', 65),
    'depth 1,000 of objects': deep('{"a":', '}', 1000),
    'depth 200,000': deep('[', ']', 200_000),
    'depth 200,000 never closed': `{"a":${'['.repeat(200_000)}`,
    'depth 200,000 with long numbers': deep('[1e5,', ']', 200_000),
    '1,001 digits': withMember(target, `"a":${'9'.repeat(1001)}`),
    'exponent of 1,001 digits': withMember(target, `"a":1e${'9'.repeat(1001)}`),
    '350,001 values': withMember(target, `"a":[${'0,'.repeat(350_001)}0]`),
    '100,001 members': withMember(target, `"a":{${'"k":0,'.repeat(100_001)}"k":0}`),
    'long numbers among 50,001 values': withMember(target, `"z":1e5,"a":[${'0,'.repeat(50_001)}0]`),
    'escaped name': withMember(target, '"str\\u0065am":true'),
  };
  return Object.entries(bodies).map(([what, body]) => ({
    name: `${name}: ${what}`,
    path,
    body,
    field: 'body',
  }));
}

/** Each field of a right body a second time, and a few dangerous ones. */
function repeated(target: Target): Case[] {
  const { path, name, body } = target;
  return Object.keys(body).map((key) => ({
    name: `${name}: \`${key}\` twice`,
    path,
    body: withMember(target, `"${key}":${JSON.stringify(body[key])}`),
    field: key,
  }));
}

function codings(target: Target): Case[] {
  const { path, name } = target;
  const right = text(target);
  const bomb = Buffer.from(text(target, { pad: ' '.repeat(30_000_000) }));
  const small = Buffer.from(right);
  const bodies: readonly (readonly [string, string, Buffer, number])[] = [
    ['gzip bomb', 'gzip', gzipSync(bomb), 413],
    ['brotli bomb', 'br', brotliCompressSync(bomb.subarray(0, 12_000_000)), 413],
    ['deflate bomb', 'deflate', deflateSync(bomb), 413],
    ['chain of gzip', 'gzip, gzip', gzipSync(gzipSync(small)), 415],
    ['gzip and br', 'gzip,br', brotliCompressSync(gzipSync(small)), 415],
    ['zstd', 'zstd', small, 415],
    ['compress', 'compress', small, 415],
    ['constructor', 'constructor', small, 415],
    ['__proto__', '__proto__', small, 415],
    ['hasOwnProperty', 'hasOwnProperty', small, 415],
    ['cut gzip', 'gzip', gzipSync(small).subarray(0, 30), 400],
    ['no gzip', 'gzip', small, 400],
    ['gzip for br', 'br', gzipSync(small), 400],
    ['no json in gzip', 'gzip', gzipSync('{"a":'), 400],
  ];
  return bodies.map(([what, coding, body, status]) => ({
    name: `${name}: ${what}`,
    path,
    body,
    headers: { 'content-encoding': coding },
    status: [status],
    field: status === 415 ? 'content-encoding' : 'body',
  }));
}

const TYPES = [
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=a',
  'text/xml',
];

function types(target: Target): Case[] {
  return [...TYPES, 'application/jsonx', 'application/octet-stream', ';'].map((type) => ({
    name: `${target.name}: content-type ${type}`,
    path: target.path,
    body: text(target),
    headers: { 'content-type': type },
    status: [415],
    field: 'content-type',
  }));
}

/** What must be refused before anything is sent anywhere. */
export function brokenBodies(): Case[] {
  const noJson = ALL.flatMap(({ name, path }) =>
    Object.entries(NO_JSON).map(([what, body]) => ({ name: `${name}: ${what}`, path, body, field: 'body' })),
  );
  const tooLong = CHATS.filter(({ body }) => 'model' in body).map((target) => ({
    name: `${target.name}: model of a million letters`,
    path: target.path,
    body: text(target, { model: 'm'.repeat(1_000_000) }),
    field: 'model',
  }));
  const large = SAME.map((target) => ({
    name: `${target.name}: 33 MB`,
    path: target.path,
    body: text(target, { pad: 'a'.repeat(33 * 1_048_576) }),
    status: [413],
    field: 'body',
  }));
  return [
    ...noJson,
    ...tooLong,
    ...large,
    ...SAME.flatMap(shapes),
    ...ALL.flatMap(repeated),
    ...SAME.flatMap(codings),
    ...ALL.flatMap(types),
  ];
}

const ODD_TEXTS = [
  "' OR 1=1; DROP TABLE exchanges;--",
  '%'.repeat(10_000),
  '../../../../etc/passwd',
  '{{7*7}}<%= 7*7 %>$\u007b7*7}',
  '<img src=x onerror=alert(1)>',
  '=HYPERLINK("http://192.0.2.1")',
  '\u0000\u0001\u001b[2J\u007f',
  '\ud800',
  'a\r\nset-cookie: a=b',
  '\u202e\u200b\ufeff',
  '__proto__',
  'constructor',
];

/** Bodies that may be answered, if a provider takes them; nothing may break. */
export function oddBodies(): Case[] {
  const cases: Case[] = [];
  for (const target of CHATS) {
    const add = (what: string, body: string) =>
      cases.push({ name: `${target.name}: ${what}`, path: target.path, body, mayPass: true });
    for (const [index, odd] of ODD_TEXTS.entries()) {
      add(`odd user ${index}`, text(target, { user: odd }));
      add(`odd field name ${index}`, text(target, { extra: { [odd]: odd } }));
      if ('model' in target.body) add(`odd model ${index}`, text(target, { model: odd.slice(0, 200) }));
    }
    for (const key of [
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      'toJSON',
      'then',
    ]) {
      add(`a member ${key}`, withMember(target, `"${key}":{"polluted":true}`));
      add(`a nested ${key}`, withMember(target, `"metadata":{"${key}":{"polluted":true}}`));
    }
    add('half a surrogate pair', withMember(target, '"user":"\\ud800"'));
    add('depth 60', withMember(target, `"deep":${'['.repeat(60)}${']'.repeat(60)}`));
    add('a million letters', text(target, { user: 'u'.repeat(1_000_000) }));
    add('a million quotes', text(target, { user: '"'.repeat(1_000_000) }));
    add('20,000 members', withMember(target, `"a":{${'"k":0,'.repeat(20_000)}"k":0}`));
    add('huge seed', withMember(target, '"seed":1e400'));
  }
  return cases;
}

/** As heavy as a body may be and still be read. */
export function heavyBodies(): Case[] {
  const unique = Array.from({ length: 99_000 }, (_, index) => `"k${index}":0`).join(',');
  // One dialect that is patched on its way, one that is translated.
  return CHATS.filter(({ name }) => name === 'chat' || name === 'messages across').flatMap((target) => {
    const bodies: Readonly<Record<string, string>> = {
      '349,000 values': withMember(target, `"a":[${'[],'.repeat(349_000)}[]]`),
      '349,000 objects': withMember(target, `"a":[${'{},'.repeat(349_000)}{}]`),
      '99,000 names': withMember(target, `"a":{${unique}}`),
      '49,000 long numbers': withMember(target, `"a":[${'12345678901234567890,'.repeat(49_000)}1e5]`),
      '31 MB of text': withMember(target, `"a":"${'a'.repeat(31_000_000)}"`),
      '31 MB of escaped quotes': withMember(target, `"a":"${'\\"'.repeat(15_500_000)}"`),
      '31 MB of spaces': withMember(target, `"a":${' '.repeat(31_000_000)}1`),
    };
    return Object.entries(bodies).map(([what, body]) => ({
      name: `${target.name}: ${what}`,
      path: target.path,
      body,
      mayPass: true,
    }));
  });
}
