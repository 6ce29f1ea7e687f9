import type { JsonObject, OutputShape } from '../../core/model/index.ts';
import { compact } from '../fields.ts';

/** `text.format`. The API demands a name for a schema, which other dialects do not have. */
export function encodeFormat(output: OutputShape): JsonObject {
  if (output.type !== 'json_schema') return { type: output.type };
  return compact({
    type: 'json_schema',
    name: output.name ?? 'response',
    description: output.description,
    schema: output.schema,
    strict: output.strict,
  });
}
