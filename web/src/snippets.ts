/** What the reader copies, filled with this gateway's own address, a model it answers to, and a key. */
export interface SnippetFacts {
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly model: string;
  /** `undefined`: calls need no key. */
  readonly key: string | undefined;
}

/** A string literal that Python, TypeScript and JSON read alike. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

/** One word of a POSIX shell. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** SDKs insist on a key; a gateway in open mode does not look at this one. */
function sdkKey(key: string | undefined): string {
  return quoted(key ?? 'not-needed');
}

function curl({ baseUrl, model, key }: SnippetFacts): string {
  const body = `{
    "model": ${quoted(model)},
    "messages": [{"role": "user", "content": "Say hello."}]
  }`;
  return [
    `curl ${shellWord(`${baseUrl}/v1/chat/completions`)} \\`,
    ...(key === undefined ? [] : [`  -H ${shellWord(`authorization: Bearer ${key}`)} \\`]),
    `  -H 'content-type: application/json' \\`,
    `  -d ${shellWord(body)}`,
  ].join('\n');
}

function pythonOpenai({ baseUrl, model, key }: SnippetFacts): string {
  return `from openai import OpenAI

client = OpenAI(
    base_url=${quoted(`${baseUrl}/v1`)},
    api_key=${sdkKey(key)},
)
answer = client.chat.completions.create(
    model=${quoted(model)},
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.choices[0].message.content)`;
}

function typescriptOpenai({ baseUrl, model, key }: SnippetFacts): string {
  return `import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: ${quoted(`${baseUrl}/v1`)},
  apiKey: ${sdkKey(key)},
});
const answer = await client.chat.completions.create({
  model: ${quoted(model)},
  messages: [{ role: 'user', content: 'Say hello.' }],
});
console.log(answer.choices[0]?.message.content);`;
}

function pythonAnthropic({ baseUrl, model, key }: SnippetFacts): string {
  return `from anthropic import Anthropic

client = Anthropic(
    base_url=${quoted(baseUrl)},
    api_key=${sdkKey(key)},
)
answer = client.messages.create(
    model=${quoted(model)},
    max_tokens=256,
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.content[0].text)`;
}

export const SNIPPETS = [
  { id: 'curl', label: 'curl', write: curl },
  { id: 'python-openai', label: 'Python', write: pythonOpenai },
  { id: 'typescript-openai', label: 'TypeScript', write: typescriptOpenai },
  { id: 'python-anthropic', label: 'Python, Anthropic', write: pythonAnthropic },
] as const satisfies readonly {
  readonly id: string;
  readonly label: string;
  readonly write: (facts: SnippetFacts) => string;
}[];
