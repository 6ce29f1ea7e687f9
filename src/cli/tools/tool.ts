/** How a tool is told where the gateway is. */
export interface GatewayFacts {
  /** Address of the gateway without a slash at the end. */
  readonly url: string;
  /** What the tool sends as its key. */
  readonly key: string;
  /** The model it asks for; `undefined` leaves that to the tool. */
  readonly model: string | undefined;
}

/** One settings file of a tool. */
export interface SettingsFile {
  readonly path: string;
  /**
   * The text with our settings in it; what else stands there stays. The same facts twice give the same text. Throws
   * {@link UnreadableSettings} for a file that cannot be changed safely.
   */
  apply(text: string, facts: GatewayFacts): string;
  /** The text without our settings; what they replaced comes back as it was in `before`. */
  remove(text: string, before: string): string;
  /** The key that stands in a text written by `apply`. */
  keyIn?(text: string): string | undefined;
}

/** A coding tool that can be pointed at the gateway. */
export interface Tool {
  readonly name: 'claude' | 'codex' | 'gemini';
  readonly title: string;
  /** Program that is started. */
  readonly program: string;
  /** How to get it. */
  readonly install: string;
  /** Dialect it speaks, as a model of the simulator. */
  readonly simulated: string;
  files(environment: Readonly<Record<string, string | undefined>>, home: string): readonly SettingsFile[];
  launch(facts: GatewayFacts): ToolLaunch;
}

/** What a single start of a tool needs. */
export interface ToolLaunch {
  readonly environment: Readonly<Record<string, string>>;
  /** Variables that must not be there. */
  readonly unset: readonly string[];
  /** Arguments before the user's own. */
  readonly argv: readonly string[];
  /** Settings that win over the user's own: a file of this name in the data folder, named to the tool by the flag. */
  readonly settings?: { readonly flag: string; readonly name: string; readonly text: string };
}

/** A settings file that is not written as the tool writes it. */
export class UnreadableSettings extends Error {
  override readonly name = 'UnreadableSettings';
}
