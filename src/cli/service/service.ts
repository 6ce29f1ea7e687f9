/** What the service runs. Every path is absolute. */
export interface ServiceFacts {
  readonly home: string;
  /** Number of the user, for launchd's domain. */
  readonly user: number;
  readonly node: string;
  readonly program: string;
  /** What stands after `start`. */
  readonly argv: readonly string[];
  readonly dataDir: string;
  /** Folder that relative paths of the configuration start from. */
  readonly folder: string;
  /** Seconds an orderly stop may take. */
  readonly stopSeconds: number;
  /** Variables the service needs; secrets, so they go into a file of their own or one with mode 600. */
  readonly variables: Readonly<Record<string, string>>;
}

/** A command that the service's keeper is told with. */
export interface ServiceCommand {
  readonly argv: readonly [string, ...string[]];
  /** Goes on when it fails: what it undoes may not be there. */
  readonly optional?: boolean;
}

/** A file of the service. */
export interface ServiceFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** How one system keeps a program running for a user. */
export interface ServiceKeeper {
  readonly name: 'systemd' | 'launchd';
  /** Fails where nobody would listen. */
  readonly probe: ServiceCommand;
  readonly absent: string;
  unitPath(home: string, environment: Readonly<Record<string, string | undefined>>): string;
  files(unitPath: string, facts: ServiceFacts): readonly ServiceFile[];
  install(unitPath: string, user: number): readonly ServiceCommand[];
  uninstall(unitPath: string, user: number): readonly ServiceCommand[];
  /** Asks whether it runs; the answer is judged by `runs`. */
  status(user: number): ServiceCommand;
  runs(answer: { readonly code: number | null; readonly stdout: string }): boolean;
  /** What the user should still know. */
  readonly hint: string;
}

/** The file variables are kept in, for systemd. */
export function variablesFile(dataDir: string): string {
  return `${dataDir}/service.env`;
}
