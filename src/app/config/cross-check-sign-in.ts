import type { Report } from './paths.ts';
import type { Config } from './schema.ts';

const LOOPBACK = /^http:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?(\/|$)/;

/** Names once, no issuer twice in a way that lets one provider speak for another, nothing in clear text. */
export function checkSignIn(config: Config, report: Report): void {
  const names = new Set<string>();
  const issuers = new Set<string>();
  for (const kind of ['oidc', 'saml', 'tokens'] as const) {
    for (const [index, provider] of config.sign_in[kind].entries()) {
      const path = ['sign_in', kind, index];
      if (names.has(provider.name)) {
        report.problem({
          path: [...path, 'name'],
          problem: 'is the same as that of another provider.',
          remedy: 'Give each its own.',
        });
      }
      names.add(provider.name);
      if (kind !== 'tokens' && issuers.has(provider.issuer)) {
        report.problem({
          path: [...path, 'issuer'],
          problem: 'is the same as that of another provider: who is who could not be told.',
          remedy: 'Keep one of them.',
        });
      }
      if (kind !== 'tokens') issuers.add(provider.issuer);
      const url = 'entry_point' in provider ? provider.entry_point : provider.issuer;
      if (url.startsWith('http://') && !LOOPBACK.test(url) && !provider.allow_private_network) {
        report.problem({
          path: [...path, 'entry_point' in provider ? 'entry_point' : 'issuer'],
          problem: 'is not encrypted.',
          remedy: 'Use https://, or allow a private network.',
        });
      }
    }
  }
}
