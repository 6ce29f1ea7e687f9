import type { Authorizer } from '../../ports/authorizer.ts';
import type { SecretSource } from '../../ports/secret-source.ts';
import { ask, isObject, pick, requestOf, type StoreAddress, storeFault } from './ask.ts';

export interface GoogleSourceOptions {
  readonly address: StoreAddress;
  /** OAuth tokens of a service account. */
  readonly authorizer: Authorizer;
  /** `service_account_file` or `service_account_json`, and `project` for references without one. */
  readonly settings: Readonly<Record<string, string>>;
  readonly endpoint: string | undefined;
}

/** The resource a reference names: its full name, `PROJECT/SECRET[/VERSION]`, or `SECRET` of the configured project. */
function resourceOf(path: string, project: string | undefined): string {
  const full = /^projects\/[\w:.-]+\/secrets\/[\w-]+(\/versions\/[\w-]+)?$/.exec(path);
  if (full !== null) return full[1] === undefined ? `${path}/versions/latest` : path;
  const parts = path.split('/');
  const [owner, name, version = 'latest'] = parts.length === 1 ? [project, ...parts] : parts;
  if (owner === undefined || name === undefined || parts.length > 3 || !/^[\w:./-]+$/.test(path)) {
    throw storeFault('Write a reference to Google Secret Manager as gcp-sm:PROJECT/SECRET or with /VERSION.');
  }
  return `projects/${owner}/secrets/${name}/versions/${version}`;
}

/**
 * Google Secret Manager: `gcp-sm:PROJECT/SECRET[/VERSION]`.
 * @see https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
 */
export function createGoogleSource(options: GoogleSourceOptions): SecretSource {
  const { address, authorizer, settings } = options;
  const base = (options.endpoint ?? 'https://secretmanager.googleapis.com').replace(/\/+$/, '');
  return {
    async read({ path, field }, signal) {
      const url = `${base}/v1/${resourceOf(path, settings['project'])}:access`;
      const request = requestOf(address, { method: 'GET', url });
      const account = {
        provider: 'secrets.google',
        scheme: { type: 'google-oauth' },
        region: undefined,
        settings,
      } as const;
      const token = await authorizer.authorize(request, account, signal);
      const answer = await ask(address, { ...request, headers: { ...request.headers, ...token } }, signal);
      if (answer.status !== 200) throw storeFault(`Google Secret Manager refused (HTTP ${answer.status}).`);
      const { payload } = answer.body;
      const data = isObject(payload) ? payload['data'] : undefined;
      const secret = typeof data === 'string' ? Buffer.from(data, 'base64').toString('utf8') : undefined;
      return pick(secret, field, 'The secret in Google Secret Manager');
    },
  };
}
