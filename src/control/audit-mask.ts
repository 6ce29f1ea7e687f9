const MASK = '********';
/** Longest text and longest entry that is kept; what is longer is a document, not a fact. */
const MAX_TEXT = 2000;
const MAX_JSON = 32_768;
const MAX_DEPTH = 12;

/** Fields that hold a secret, whatever endpoint they belong to. */
const SECRET_NAME =
  /^(key|keys|value|token|secret|password|passphrase|otp|code|totp|cookie|authorization|credential|challenge|assertion|signature|headers|recovery_codes)$|(^|[_-])(secret|token|password|key|keys|codes?|private_key|hash|headers)$/i;

/** Texts that look like a credential wherever they stand: ours, vendors' keys, tokens of three parts. */
const SECRET_TEXT =
  /\b(?:sk|pk|rk|xai|gsk|hvs|ghp|glpat)[-_.][A-Za-z0-9_-]{12,}|\bAIza[\w-]{30,}|\bAKIA[A-Z0-9]{12,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*/g;

function maskText(text: string): string {
  const bare = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    ? text
        .replace(/#.*$/s, `#${MASK}`)
        .replace(/\/\/[^/?#]*@/, `//${MASK}@`)
        .replace(/([?&][^=&#]+=)[^&#]*/g, `$1${MASK}`)
    : text;
  if (bare.length > MAX_TEXT) return `[${bare.length} characters]`;
  return bare.replace(SECRET_TEXT, MASK);
}

function maskValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return maskText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return '[…]';
  if (Array.isArray(value)) return value.map((item) => maskValue(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRET_NAME.test(name) && inner !== null && typeof inner !== 'boolean' && typeof inner !== 'number'
        ? MASK
        : maskValue(inner, depth + 1),
    ]),
  );
}

/** Facts as they may stand in the audit log: without secrets, and of bounded length. */
export function maskFacts(value: unknown): unknown {
  const masked = maskValue(value, 0);
  const text = JSON.stringify(masked) ?? 'null';
  return text.length > MAX_JSON ? { left_out: `${text.length} characters` } : masked;
}
