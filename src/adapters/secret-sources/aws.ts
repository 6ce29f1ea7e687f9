import type { Authorizer } from '../../ports/authorizer.ts';
import type { SecretSource } from '../../ports/secret-source.ts';
import { ask, pick, requestOf, type StoreAddress, storeFault } from './ask.ts';

export interface AwsSourceOptions {
  readonly address: StoreAddress;
  /** Signature Version 4. */
  readonly authorizer: Authorizer;
  readonly region: string | undefined;
  /** `access_key_id`, `secret_access_key`, `session_token`. */
  readonly settings: Readonly<Record<string, string>>;
  /** Instead of the region's own address. */
  readonly endpoint: string | undefined;
}

/** An ARN names its region: `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME`. */
function regionOf(path: string): string | undefined {
  return /^arn:aws[\w-]*:secretsmanager:([a-z0-9-]+):/.exec(path)?.[1];
}

/**
 * AWS Secrets Manager: `aws-sm:NAME` or `aws-sm:ARN`, with `#FIELD` for secrets that are JSON.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
 */
export function createAwsSource(options: AwsSourceOptions): SecretSource {
  const { address, authorizer, settings, endpoint } = options;
  return {
    async read({ path, field }, signal) {
      const region = regionOf(path) ?? options.region;
      if (region === undefined) throw storeFault('AWS Secrets Manager needs a `region`.');
      const request = requestOf(address, {
        method: 'POST',
        url: endpoint ?? `https://secretsmanager.${region}.amazonaws.com/`,
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': 'secretsmanager.GetSecretValue',
        },
        body: JSON.stringify({ SecretId: path }),
      });
      const account = {
        provider: 'secrets.aws',
        scheme: { type: 'sigv4', service: 'secretsmanager' },
        region,
        settings,
      } as const;
      const signed = await authorizer.authorize(request, account, signal);
      const answer = await ask(address, { ...request, headers: { ...request.headers, ...signed } }, signal);
      if (answer.status !== 200) {
        const word = String(answer.body['__type'] ?? '').replace(/^.*#/, '');
        const shown = /^[A-Za-z]{1,60}$/.test(word) ? `, ${word}` : '';
        throw storeFault(`AWS Secrets Manager refused (HTTP ${answer.status}${shown}).`);
      }
      const { SecretString: text, SecretBinary: binary } = answer.body;
      const secret = typeof binary === 'string' ? Buffer.from(binary, 'base64').toString('utf8') : text;
      return pick(secret, field, 'The secret in AWS Secrets Manager');
    },
  };
}
