import { isObject, type Json, type JsonObject, type UpstreamFormat } from '../../../src/core/model/index.ts';

/*
 * What each vendor demands of a request (WIRE §1.3, §2.1), written from the rules and not from our encoders. Each check
 * returns sentences; none means that the vendor would take the body.
 */

type Check = (body: JsonObject) => string[];

const list = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const object = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const isBlank = (value: Json | undefined): boolean => typeof value !== 'string' || value.trim() === '';

/** Sentences for what is false. */
function claims(...pairs: readonly (readonly [boolean, string])[]): string[] {
  return pairs.filter(([holds]) => !holds).map(([, sentence]) => sentence);
}

/** Calls and results in order: every result answers an open call, and none stays open when another turn begins. */
class CallLedger {
  readonly wrong: string[] = [];
  #open = new Set<string>();

  call(id: string, pattern: RegExp): void {
    if (!pattern.test(id)) this.wrong.push(`call id ${JSON.stringify(id)}`);
    if (this.#open.has(id)) this.wrong.push(`call id ${id} twice`);
    this.#open.add(id);
  }

  result(id: string): void {
    if (!this.#open.delete(id)) this.wrong.push(`a result for ${JSON.stringify(id)}, which is not open`);
  }

  /** Another turn begins. */
  turn(): void {
    for (const id of this.#open) this.wrong.push(`no result for ${id}`);
    this.#open = new Set();
  }
}

function names(tools: readonly string[], pattern: RegExp): string[] {
  return tools.filter((name) => !pattern.test(name)).map((name) => `tool name ${JSON.stringify(name)}`);
}

const NAME_64 = /^[a-zA-Z0-9_-]{1,64}$/;
const NAME_128 = /^[a-zA-Z0-9_.:-]{1,128}$/;

const chat: Check = (body) => {
  const ledger = new CallLedger();
  const wrong: string[] = [];
  for (const message of list(body['messages'])) {
    const role = text(message['role']);
    const calls = list(message['tool_calls']);
    if (role === 'tool') {
      ledger.result(text(message['tool_call_id']));
      const parts = message['content'];
      if (Array.isArray(parts) && list(parts).some((part) => part['type'] !== 'text'))
        wrong.push('a tool message holds more than text');
      continue;
    }
    ledger.turn();
    if (!/^(system|developer|user|assistant)$/.test(role)) wrong.push(`role ${role}`);
    for (const call of calls) ledger.call(text(call['id']), /^.{1,40}$/s);
    const hasContent = message['content'] !== undefined && message['content'] !== null;
    if (role !== 'assistant' && !hasContent) wrong.push(`a ${role} message without content`);
    if (role === 'assistant' && !hasContent && calls.length === 0 && message['refusal'] === undefined)
      wrong.push('an assistant message without content');
  }
  // A vendor's own tools have no name.
  const tools = list(body['tools']).flatMap((tool) => {
    const named = tool['function'] ?? tool['custom'];
    return isObject(named) ? [text(named['name'])] : [];
  });
  const hasTools = list(body['tools']).length > 0;
  return [
    ...wrong,
    ...ledger.wrong,
    ...names(tools, NAME_64),
    ...claims(
      [list(body['messages']).length > 0, 'no message'],
      [hasTools || body['tool_choice'] === undefined, 'tool_choice without tools'],
      [hasTools || body['parallel_tool_calls'] === undefined, 'parallel_tool_calls without tools'],
    ),
  ];
};

const responses: Check = (body) => {
  const ledger = new CallLedger();
  const wrong: string[] = [];
  const input = body['input'];
  let thought = false;
  for (const item of list(input)) {
    const type = text(item['type']);
    const follows = /call$|^message$|^$|^reasoning$/.test(type) && item['role'] !== 'user';
    if (thought && !follows) wrong.push('a reasoning item without its item');
    thought = type === 'reasoning';
    if (type === 'function_call' || type === 'custom_tool_call')
      ledger.call(text(item['call_id']), /^.{1,64}$/s);
    else if (type.endsWith('_call_output')) ledger.result(text(item['call_id']));
  }
  const limit = body['max_output_tokens'];
  const tools = list(body['tools']);
  return [
    ...wrong,
    ...ledger.wrong,
    ...names(
      tools.filter((tool) => tool['type'] === 'function').map((tool) => text(tool['name'])),
      NAME_64,
    ),
    ...claims(
      [typeof input === 'string' || list(input).length > 0, 'no input'],
      [typeof limit !== 'number' || limit >= 16, 'max_output_tokens below 16'],
    ),
  ];
};

function anthropicBlocks(message: JsonObject, ledger: CallLedger): string[] {
  const { content } = message;
  if (typeof content === 'string') {
    if (message['role'] === 'user') ledger.turn();
    return isBlank(content) ? ['blank content'] : [];
  }
  const blocks = list(content);
  const wrong = blocks.length === 0 ? ['a message without content'] : [];
  const firstOther = blocks.findIndex(({ type }) => type !== 'tool_result');
  const lastResult = blocks.findLastIndex(({ type }) => type === 'tool_result');
  if (firstOther >= 0 && lastResult > firstOther) wrong.push('tool results after other blocks');
  for (const block of blocks) {
    if (block['type'] === 'tool_result') ledger.result(text(block['tool_use_id']));
    if (block['type'] === 'text' && isBlank(block['text'])) wrong.push('a blank text block');
    if (block['type'] === 'thinking' && isBlank(block['signature'])) wrong.push('thinking without signature');
  }
  if (message['role'] === 'user') ledger.turn();
  for (const block of blocks)
    if (block['type'] === 'tool_use') ledger.call(text(block['id']), /^[a-zA-Z0-9_-]+$/);
  if (blocks.some((block) => block['type'] === 'tool_use' && !isObject(block['input'])))
    wrong.push('a tool_use whose input is no object');
  return wrong;
}

function alternates(messages: readonly JsonObject[], roles: readonly string[]): string[] {
  const wrong: string[] = [];
  for (const [at, message] of messages.entries()) {
    const role = text(message['role']);
    if (!roles.includes(role)) wrong.push(`role ${role}`);
    if (at > 0 && messages[at - 1]?.['role'] === role) wrong.push(`two ${role} turns in a row`);
  }
  return wrong;
}

const anthropic: Check = (body) => {
  const ledger = new CallLedger();
  const messages = list(body['messages']);
  const wrong = messages.flatMap((message) => anthropicBlocks(message, ledger));
  const thinking = object(body['thinking']);
  const limit = Number(body['max_tokens']);
  const budget = thinking['budget_tokens'];
  const temperature = Number(body['temperature'] ?? 1);
  const tools = list(body['tools']).map(({ name }) => text(name));
  const stops = Array.isArray(body['stop_sequences']) ? body['stop_sequences'] : [];
  return [
    ...wrong,
    ...ledger.wrong,
    ...names(tools, /^[a-zA-Z0-9_-]{1,128}$/),
    ...claims(
      [messages.length > 0, 'no message'],
      [Number.isInteger(limit) && limit > 0, 'no max_tokens'],
      [typeof budget !== 'number' || (budget >= 1024 && budget < limit), 'budget_tokens outside the limit'],
      [temperature >= 0 && temperature <= 1, 'temperature above 1'],
      [stops.every((stop) => !isBlank(stop)), 'a blank stop sequence'],
      [list(body['system']).every((block) => !isBlank(block['text'])), 'a blank system block'],
      [tools.length > 0 || body['tool_choice'] === undefined, 'tool_choice without tools'],
    ),
  ];
};

const gemini: Check = (body) => {
  const contents = list(body['contents']);
  const wrong: string[] = [];
  let called: string[] = [];
  for (const content of contents) {
    const parts = list(content['parts']);
    if (!/^(user|model)$/.test(text(content['role']))) wrong.push(`role ${text(content['role'])}`);
    if (parts.length === 0) wrong.push('a turn without parts');
    for (const part of parts) {
      const { thought: _, thoughtSignature: __, ...data } = part;
      if (Object.keys(data).length === 0) wrong.push('a part without data');
    }
    const answered = parts.flatMap((part) => {
      const { functionResponse } = part;
      return isObject(functionResponse) ? [functionResponse] : [];
    });
    for (const { name, response } of answered) {
      if (!called.includes(text(name)))
        wrong.push(`a functionResponse for ${text(name)}, which was not called`);
      if (!isObject(response)) wrong.push('a functionResponse that is no object');
    }
    if (answered.length > 0 && answered.length !== called.length) wrong.push('fewer results than calls');
    called = parts.flatMap((part) =>
      isObject(part['functionCall']) ? [text(part['functionCall']['name'])] : [],
    );
  }
  const thinking = object(object(body['generationConfig'])['thinkingConfig']);
  const tools = list(body['tools']).flatMap((tool) => list(tool['functionDeclarations']));
  return [
    ...wrong,
    ...names(
      tools.map(({ name }) => text(name)),
      NAME_128,
    ),
    ...claims(
      [contents.length > 0, 'no content'],
      [!('thinkingBudget' in thinking && 'thinkingLevel' in thinking), 'budget and level both'],
    ),
  ];
};

function converseBlock(block: JsonObject, ledger: CallLedger): string[] {
  const wrong: string[] = [];
  if ('text' in block && isBlank(block['text'])) wrong.push('blank text');
  const { image, document, toolResult } = block;
  if (isObject(image) && !/^(png|jpeg|gif|webp)$/.test(text(image['format']))) wrong.push('image format');
  if (isObject(document) && !/^(?!.*\s\s)[A-Za-z0-9 ()[\]-]{1,200}$/.test(text(document['name'])))
    wrong.push(`document name ${text(document['name'])}`);
  if (isObject(toolResult)) {
    ledger.result(text(toolResult['toolUseId']));
    for (const part of list(toolResult['content'])) {
      if ('json' in part && !isObject(part['json'])) wrong.push('toolResult json that is no object');
    }
  }
  return wrong;
}

const converse: Check = (body) => {
  const ledger = new CallLedger();
  const messages = list(body['messages']);
  const wrong: string[] = [];
  let usesTools = false;
  for (const message of messages) {
    const blocks = list(message['content']);
    if (blocks.length === 0) wrong.push('a message without content');
    for (const block of blocks) wrong.push(...converseBlock(block, ledger));
    if (message['role'] === 'user') ledger.turn();
    for (const { toolUse } of blocks) {
      if (!isObject(toolUse)) continue;
      usesTools = true;
      ledger.call(text(toolUse['toolUseId']), /^[a-zA-Z0-9_.:-]{1,64}$/);
      if (!isObject(toolUse['input'])) wrong.push('a toolUse whose input is no object');
    }
  }
  const specs = list(object(body['toolConfig'])['tools']).flatMap(({ toolSpec }) =>
    isObject(toolSpec) ? [toolSpec] : [],
  );
  return [
    ...wrong,
    ...ledger.wrong,
    ...alternates(messages, ['user', 'assistant']),
    ...names(
      specs.map(({ name }) => text(name)),
      NAME_64,
    ),
    ...claims(
      [messages[0]?.['role'] === 'user', 'the first turn is not the user’s'],
      [
        specs.every(({ description }) => description === undefined || !isBlank(description)),
        'empty description',
      ],
      [!usesTools || specs.length > 0, 'tool blocks without toolConfig'],
      [list(body['system']).every((block) => !('text' in block) || !isBlank(block['text'])), 'blank system'],
    ),
  ];
};

const cohere: Check = (body) => {
  const ledger = new CallLedger();
  const wrong: string[] = [];
  for (const message of list(body['messages'])) {
    const role = text(message['role']);
    if (role === 'tool') {
      ledger.result(text(message['tool_call_id']));
      continue;
    }
    ledger.turn();
    if (!/^(system|user|assistant)$/.test(role)) wrong.push(`role ${role}`);
    const calls = list(message['tool_calls']);
    for (const call of calls) ledger.call(text(call['id']), /^.+$/s);
    const { content } = message;
    const isEmpty = content === undefined || (Array.isArray(content) && content.length === 0);
    if (isEmpty && calls.length === 0) wrong.push(`a ${role} message without content`);
  }
  const choice = body['tool_choice'];
  return [
    ...wrong,
    ...ledger.wrong,
    ...claims([
      choice === undefined || choice === 'REQUIRED' || choice === 'NONE',
      `tool_choice ${String(choice)}`,
    ]),
  ];
};

const ollama: Check = (body) =>
  list(body['messages']).flatMap((message) => {
    const calls = list(message['tool_calls']).map((call) => object(call['function']));
    const images = Array.isArray(message['images']) ? message['images'] : [];
    return claims(
      [/^(system|user|assistant|tool)$/.test(text(message['role'])), `role ${text(message['role'])}`],
      [calls.every((call) => isObject(call['arguments'])), 'arguments that are no object'],
      [
        images.every((image) => typeof image === 'string' && !image.includes(':')),
        'an image that is not base64',
      ],
    );
  });

/** The rules of each upstream format; a new format without rules does not compile. */
export const RULES: Readonly<Record<UpstreamFormat, Check>> = {
  'openai-chat': chat,
  'openai-responses': responses,
  'anthropic-messages': anthropic,
  gemini,
  'bedrock-converse': converse,
  cohere,
  ollama,
};
