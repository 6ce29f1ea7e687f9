import type { Json, Signature } from '../../core/model/index.ts';

/** OpenRouter's `format` of a `reasoning_details` entry, by who made the opaque state. */
const FORMATS: Readonly<Record<Signature['issuer'], string>> = {
  claude: 'anthropic-claude-v1',
  gemini: 'google-gemini-v1',
  openai: 'openai-responses-v1',
  deepseek: 'deepseek-v1',
  other: 'unknown',
};

/** The `format` word for signatures of an issuer. */
export function formatOfIssuer(issuer: Signature['issuer']): string {
  return FORMATS[issuer];
}

/** Who can read the opaque state of an entry with this `format`. */
export function issuerOfFormat(format: Json | undefined): Signature['issuer'] {
  if (typeof format !== 'string') return 'other';
  if (format.startsWith('anthropic')) return 'claude';
  if (format.startsWith('google') || format.startsWith('gemini')) return 'gemini';
  if (format.startsWith('openai') || format.startsWith('azure')) return 'openai';
  return format.startsWith('deepseek') ? 'deepseek' : 'other';
}

/** Google's key for its own state in `extra_content`, and the like for others. */
export function vendorOfIssuer(issuer: Signature['issuer']): string {
  return issuer === 'gemini' ? 'google' : issuer;
}
