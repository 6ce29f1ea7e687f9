/** Longer names are no model of anybody; they are not looked up, so that a client cannot fill memory with them. */
export const MAX_NAME_CHARS = 256;

/** `-20250929` with a plausible date, before the end or a version mark. */
const COMPACT_DATE = /-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=$|[-:@])/;

/** What vendors append to a family's name to freeze it: a date, `@version`, `-latest`. */
const SNAPSHOT =
  /(?:-20\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|@(?:20\d{6}|latest|default|\d{3})|-latest)$/;

/**
 * Names under which a model may be listed, best first: as asked, without the path that some vendors put before it
 * (`models/…`, an ARN), with its date spelled the other way, and without its date. The last makes a new snapshot cost
 * what its family costs until the catalog knows better.
 */
export function lookupNames(model: string): readonly string[] {
  const asked = model.trim().toLowerCase();
  const names = new Set([asked]);
  const bare = asked.replace(/^(?:models|publishers\/[^/]+\/models)\//, '').replace(/^arn:.*\//, '');
  names.add(bare);
  names.add(bare.replace(COMPACT_DATE, '-$1-$2-$3'));
  names.add(bare.replace(SNAPSHOT, ''));
  names.delete('');
  return [...names];
}

const REGION = /^(?:us|eu|apac|jp|au|ca|in|sa|mx|us-gov|global|regional)\./;
const MAKER =
  /^(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|writer|zai)\./;
/** `claude-4-5-sonnet` as some resellers write `claude-sonnet-4-5`. */
const CLAUDE_VERSION_FIRST = /^claude-(\d(?:-\d(?!\d))?)-(opus|sonnet|haiku|fable|mythos)/;

/**
 * One spelling per model for the family rules: lower case, without path, region, maker and fine-tuning mark, with `-`
 * for `.`, and Claude's tier before its version. `us.anthropic.claude-3-7-sonnet-20250219-v1:0` becomes
 * `claude-sonnet-3-7-20250219-v1:0`, `openai/gpt-4.1` becomes `gpt-4-1`.
 */
export function familyName(model: string): string {
  return model
    .trim()
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(REGION, '')
    .replace(MAKER, '')
    .replace(/^ft:/, '')
    .replaceAll('.', '-')
    .replace(CLAUDE_VERSION_FIRST, 'claude-$2-$1');
}
