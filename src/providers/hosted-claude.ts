import type { Endpoint } from './provider.ts';

/** Where a cloud serves Claude in Anthropic's own format, and what it wants changed in the body. */
export interface HostedClaude {
  /** Source of a regular expression for the names Claude has there. */
  readonly models: string;
  readonly path: string;
  readonly streamPath: string;
  /** The `anthropic_version` that stands in the body instead of a header. */
  readonly version: string;
  /** Fields that are part of the path there. */
  readonly omit: readonly string[];
  readonly streamWrap?: 'aws-invoke';
}

/** Claude on a cloud: model in the path, version in the body. */
export function hostedClaude({ version, omit, ...surface }: HostedClaude): Endpoint {
  return { format: 'anthropic-messages', ...surface, body: { set: { anthropic_version: version }, omit } };
}
