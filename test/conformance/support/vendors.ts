import { PROVIDERS } from '../../../src/providers/index.ts';
import type { Provider } from '../../../src/providers/provider.ts';

/** The registered name of {@link pinFormat}'s vendor. */
export function pinnedName(vendor: string, format: string): string {
  return `${vendor}.${format}`;
}

/**
 * Registers, for this test process, a vendor that is `vendor` with only its endpoints of one format, so that any client
 * dialect can be sent through any format the vendor serves. Everything else is the vendor's own data. A vendor whose folder does not list the format
 * (Google's OpenAI-compatible surface) is what an operator would make of it: `openai-compatible`.
 */
export function pinFormat(vendor: string, format: string): string {
  const found = [vendor, 'openai-compatible']
    .map((name) => PROVIDERS.get(name))
    .find((provider) => provider?.endpoints.chat.some((endpoint) => endpoint.format === format));
  if (found === undefined) throw new Error(`no way to reach ${vendor} in format ${format}`);
  const chat = found.endpoints.chat.filter((endpoint) => endpoint.format === format);
  const id = pinnedName(vendor, format);
  const { regions: _, ...rest } = found;
  const pinned: Provider = {
    ...rest,
    id,
    catalogId: found.catalogId ?? found.id,
    endpoints: { ...found.endpoints, chat },
    local: true,
  };
  (PROVIDERS as Map<string, Provider>).set(id, pinned);
  return id;
}
