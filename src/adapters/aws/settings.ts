type Environment = Readonly<Record<string, string | undefined>>;

/** Names of the key pair under a provider's `credentials`. */
const NAMES = ['access_key_id', 'secret_access_key', 'session_token'];

/**
 * The settings a signature is made with: those given, else the pair in the AWS SDKs' own environment variables. Half a
 * pair given counts as given, so that keys of two places are never mixed.
 */
export function awsSettings(
  given: Readonly<Record<string, string>>,
  environment: Environment,
): Readonly<Record<string, string>> {
  if (NAMES.some((name) => given[name] !== undefined)) return given;
  const id = environment['AWS_ACCESS_KEY_ID'];
  const secret = environment['AWS_SECRET_ACCESS_KEY'];
  const session = environment['AWS_SESSION_TOKEN'];
  if (!id || !secret) return given;
  return {
    ...given,
    access_key_id: id,
    secret_access_key: secret,
    ...(session ? { session_token: session } : {}),
  };
}

/** The region of the environment, where the configuration names none. */
export function awsRegion(environment: Environment): string | undefined {
  return environment['AWS_REGION'] || environment['AWS_DEFAULT_REGION'] || undefined;
}
