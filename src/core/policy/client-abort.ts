/** What happens to the provider's call when the client leaves: hung up on, or read on to its exact usage. */
export type ClientAbortRule = 'abort' | 'drain';

/** The name under which a key's metadata keeps the rule. */
const NAME = 'on_client_abort';

type Metadata = Readonly<Record<string, string>>;

/** The rule of a key with this metadata. */
export function abortRule(metadata: Metadata | undefined): ClientAbortRule {
  return metadata?.[NAME] === 'drain' ? 'drain' : 'abort';
}

/** The rule that metadata names, if any. */
export function abortRuleSet(metadata: Metadata): ClientAbortRule | undefined {
  const named = metadata[NAME];
  return named === 'drain' || named === 'abort' ? named : undefined;
}

/** Metadata that says this rule; without one it stays as it is. */
export function withAbortRule(metadata: Metadata, rule: ClientAbortRule | undefined): Metadata {
  return rule === undefined ? metadata : { ...metadata, [NAME]: rule };
}
