import {
  type ChatRequest,
  type CustomTool,
  type FormatId,
  type FunctionTool,
  isObject,
  type JsonObject,
  type Tool,
  type ToolCallPart,
} from '../../core/model/index.ts';
import { type PromptFacts, readFacts, suggestFrom, takesName } from './prompt-facts.ts';
import { sampleSchema } from './schema-sample.ts';
import type { Dice } from './seed.ts';

type Callable = FunctionTool | CustomTool;

/** What decides whether tools are called. */
export interface ToolSituation {
  readonly request: ChatRequest;
  readonly prompt: string;
  readonly format: FormatId;
  readonly dice: Dice;
  /** Calls demanded by an option; absent: by the conversation. */
  readonly count?: number | undefined;
}

const MOST_CALLS = 8;

/** Words of other languages and everyday wording, by the word a tool's name would use. */
const MEANINGS: Readonly<Record<string, RegExp>> = {
  weather:
    /wetter|météo|temps qu'il|tiempo hace|clima|天気|天气|気温|temperature|rain|sunny|forecast|degrees/i,
  calculate: /\d\s*[-+*/×]\s*\d|rechne|calcul|計算|计算|compute|sum of|multiply/i,
  calculator: /\d\s*[-+*/×]\s*\d|rechne|calcul|計算|计算|compute|multiply/i,
  search: /look up|find out|suche|cherche|busca|検索|搜索|google|latest|news/i,
  time: /clock|uhrzeit|spät|heure|hora|何時|几点|timezone/i,
  stock: /share price|aktie|bourse|acción|株価|股价|ticker/i,
  email: /e-mail|mail to|nachricht|courriel|correo/i,
};

const DULL = new Set(
  'get set the for and with from that this function tool call use used given return returns returned current fetch run make user a an of in to is'.split(
    ' ',
  ),
);

function wordsOf(text: string): Set<string> {
  const spaced = text.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  const words = spaced.match(/\p{L}{3,}/gu) ?? [];
  return new Set(words.filter((word) => !DULL.has(word)).map((word) => word.replace(/(?:ing|es|s)$/, '')));
}

function score(tool: Callable, prompt: string, words: ReadonlySet<string>): number {
  if (prompt.includes(tool.name)) return 10;
  let points = 0;
  for (const word of wordsOf(tool.name.replaceAll(/[_.-]/g, ' '))) {
    if (words.has(word) || MEANINGS[word]?.test(prompt) === true) points += 3;
  }
  for (const word of wordsOf(tool.description ?? '')) if (words.has(word)) points += 1;
  return points;
}

/** The tools the caller lets the model use. */
function permitted(request: ChatRequest): Callable[] {
  const callable = request.tools.filter((tool: Tool): tool is Callable => tool.type !== 'server');
  const { toolChoice } = request;
  if (toolChoice?.type === 'tool') return callable.filter(({ name }) => name === toolChoice.name);
  if (toolChoice?.type === 'allowed') {
    const names = new Set<string>(toolChoice.names.map((entry) => nameOf(entry)));
    return callable.filter(({ name }) => names.has(name));
  }
  return callable;
}

function nameOf(entry: unknown): string {
  if (typeof entry === 'string') return entry;
  return isObject(entry) && typeof entry['name'] === 'string' ? entry['name'] : '';
}

function isRequired(request: ChatRequest): boolean {
  const { toolChoice } = request;
  if (toolChoice === undefined) return false;
  return (
    toolChoice.type === 'required' ||
    toolChoice.type === 'tool' ||
    (toolChoice.type === 'allowed' && toolChoice.required)
  );
}

/** Id shapes as each vendor makes them (WIRE §1.3). */
export function callId(format: FormatId, name: string, dice: Dice): string {
  switch (format) {
    case 'anthropic-messages':
      return `toolu_01${dice.word(22)}`;
    case 'bedrock-converse':
      return `tooluse_${dice.word(22)}`;
    case 'cohere':
      return `${name}_${dice.word(12).toLowerCase()}`;
    case 'gemini':
      return dice.word(8).toLowerCase();
    default:
      return `call_${dice.word(24)}`;
  }
}

function argumentsFor(tool: Callable, facts: PromptFacts, place: { turn: number; dice: Dice }): string {
  if (tool.type === 'custom') return facts.quoted[0] ?? facts.expression ?? facts.text.trim().slice(0, 200);
  const schema: JsonObject = tool.parameters ?? { type: 'object', properties: {} };
  const suggest = suggestFrom(facts, place.turn);
  const value = sampleSchema(needed(schema, suggestFrom(facts, place.turn)), place.dice, suggest);
  return JSON.stringify(value);
}

/** Optional fields that the prompt says nothing about are left out, as a model would. */
function needed(schema: JsonObject, suggest: ReturnType<typeof suggestFrom>): JsonObject {
  const { properties, required } = schema;
  if (!isObject(properties) || !Array.isArray(required)) return schema;
  const kept = Object.entries(properties).filter(
    ([name, inner]) => required.includes(name) || (isObject(inner) && suggest(name, inner) !== undefined),
  );
  return { ...schema, properties: Object.fromEntries(kept) };
}

function makeCall(situation: ToolSituation, tool: Callable, turn: number): ToolCallPart {
  const { format, dice, prompt } = situation;
  return {
    type: 'tool_call',
    id: callId(format, tool.name, dice),
    name: tool.name,
    arguments: argumentsFor(tool, readFacts(prompt), { turn, dice }),
    kind: tool.type,
  };
}

/** How many calls of one tool the prompt asks for: one per name listed, where the tool takes a name. */
function callsOf(tool: Callable, facts: PromptFacts): number {
  const properties = tool.type === 'function' ? tool.parameters?.['properties'] : undefined;
  const isNamed = isObject(properties) && Object.keys(properties).some(takesName);
  return isNamed && facts.names.length > 1 ? Math.min(facts.names.length, MOST_CALLS) : 1;
}

function demanded(situation: ToolSituation, tools: readonly Callable[], count: number): ToolCallPart[] {
  const calls: ToolCallPart[] = [];
  for (let turn = 0; turn < Math.min(count, 64); turn++) {
    const tool = tools[turn % tools.length];
    if (tool !== undefined) calls.push(makeCall(situation, tool, turn));
  }
  return calls;
}

/** The calls the model makes now; empty when it answers in words. */
export function chooseCalls(situation: ToolSituation): readonly ToolCallPart[] {
  const { request, prompt, count } = situation;
  if (request.toolChoice?.type === 'none' || count === 0) return [];
  const tools = permitted(request);
  if (tools.length === 0) return [];
  const hasResults = request.messages.at(-1)?.parts.some(({ type }) => type === 'tool_result') === true;
  if (count !== undefined) return hasResults ? [] : demanded(situation, tools, count);
  const words = wordsOf(prompt);
  const ranked = tools
    .map((tool) => ({ tool, points: score(tool, prompt, words) }))
    .sort((a, b) => b.points - a.points);
  const needsCall = isRequired(request);
  if (hasResults && !needsCall) return [];
  const matching = ranked.filter(({ points }) => points >= 3).map(({ tool }) => tool);
  const best = ranked[0]?.tool;
  const chosen = matching.length === 0 && needsCall && best !== undefined ? [best] : matching;
  const facts = readFacts(prompt);
  const calls = chosen.slice(0, 4).flatMap((tool) => {
    const turns = Array.from({ length: callsOf(tool, facts) }, (_, turn) => turn);
    return turns.map((turn) => makeCall(situation, tool, turn));
  });
  return request.parallelToolCalls === false ? calls.slice(0, 1) : calls.slice(0, MOST_CALLS);
}
