import type { FormatId } from '../../core/model/index.ts';

/** What a telling needs besides the answer itself. */
export interface TellingFacts {
  readonly format: FormatId;
  readonly stream: boolean;
  /** The vendor's headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** The key the caller sent, for the fault that echoes it. */
  readonly credential: string;
  /** Unix milliseconds, for dates in headers. */
  readonly now: number;
}
