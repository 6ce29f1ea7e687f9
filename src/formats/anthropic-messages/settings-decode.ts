import { badRequest } from '../../core/errors/error.ts';
import {
  EFFORTS,
  type Effort,
  type JsonObject,
  type OutputShape,
  type ReasoningRequest,
} from '../../core/model/index.ts';
import { optionalNumber, optionalObject, optionalString, unknownFields } from '../fields.ts';

/** What a body says about reasoning, and what of it only this format has words for. */
export interface DecodedReasoning {
  readonly request?: ReasoningRequest;
  /** Top-level extensions. */
  readonly kept?: JsonObject;
  /** `{effort}` given without `thinking`: it steers the answer's length too and turns no thinking on. */
  readonly effortOnly?: JsonObject;
}

function decodeEffort(body: JsonObject): Effort | undefined {
  const settings = optionalObject(body, 'output_config');
  const effort = settings === undefined ? undefined : optionalString(settings, 'effort', 'output_config');
  if (effort === undefined) return undefined;
  if ((EFFORTS as readonly string[]).includes(effort)) return effort as Effort;
  throw badRequest('output_config.effort', `\`output_config.effort\` must be one of ${EFFORTS.join(', ')}.`);
}

function summaryOf(thinking: JsonObject): ReasoningRequest['summary'] {
  const display = optionalString(thinking, 'display', 'thinking');
  if (display === undefined) return undefined;
  return display === 'omitted' ? 'none' : 'auto';
}

function decodeThinking(thinking: JsonObject): ReasoningRequest {
  const type = optionalString(thinking, 'type', 'thinking');
  const summary = summaryOf(thinking);
  const shown = summary === undefined ? {} : { summary };
  switch (type) {
    case 'disabled':
      return { enabled: false };
    case 'enabled': {
      const range = { min: 1, integer: true, path: 'thinking' };
      const budgetTokens = optionalNumber(thinking, 'budget_tokens', range);
      if (budgetTokens === undefined) return { enabled: true, adaptive: true, ...shown };
      return { enabled: true, budgetTokens, ...shown };
    }
    case 'adaptive':
    case 'between_tools':
      return { enabled: true, adaptive: true, ...shown };
    default:
      throw badRequest(
        'thinking.type',
        '`thinking.type` must be "enabled", "adaptive", "between_tools" or "disabled".',
      );
  }
}

const THINKING: ReadonlySet<string> = new Set(['type', 'budget_tokens', 'display']);

/** Reads `thinking` and `output_config.effort`. */
export function decodeReasoning(body: JsonObject): DecodedReasoning {
  const thinking = optionalObject(body, 'thinking');
  const effort = decodeEffort(body);
  if (thinking === undefined) {
    if (effort === undefined) return {};
    return { request: { enabled: effort !== 'none', effort }, effortOnly: { effort } };
  }
  const request = decodeThinking(thinking);
  const special = thinking['type'] === 'between_tools' ? { type: 'between_tools' } : undefined;
  const rest = unknownFields(thinking, THINKING);
  return {
    request: { ...request, ...(effort === undefined ? {} : { effort }) },
    ...(special === undefined && rest === undefined ? {} : { kept: { thinking: { ...rest, ...special } } }),
  };
}

const OUTPUT: ReadonlySet<string> = new Set(['format', 'effort']);

/** Reads `output_config.format`, or the older `output_format`; `kept` is what else `output_config` holds. */
export function decodeOutput(body: JsonObject): {
  readonly shape: OutputShape;
  readonly kept?: JsonObject;
} {
  const settings = optionalObject(body, 'output_config');
  const rest = settings === undefined ? undefined : unknownFields(settings, OUTPUT);
  const kept = rest === undefined ? {} : { kept: rest };
  const current = settings === undefined ? undefined : optionalObject(settings, 'format', 'output_config');
  const path = current === undefined ? 'output_format' : 'output_config.format';
  const format = current ?? optionalObject(body, 'output_format');
  if (format === undefined) return { shape: { type: 'text' }, ...kept };
  const schema = optionalObject(format, 'schema', path);
  if (format['type'] !== 'json_schema' || schema === undefined) {
    throw badRequest(path, `\`${path}\` must have \`type\` "json_schema" and a \`schema\` object.`);
  }
  const name = optionalString(format, 'name', path);
  return { shape: { type: 'json_schema', schema, ...(name === undefined ? {} : { name }) }, ...kept };
}
