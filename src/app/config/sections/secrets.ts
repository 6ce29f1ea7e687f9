import { z } from 'zod';
import { milliseconds, seconds, secret, text } from './scalars.ts';

const url = (about: string) =>
  z
    .string()
    .regex(/^https?:\/\/[^\s/@]+(\/\S*)?$/, 'Write an http:// or https:// URL without credentials.')
    .transform((given) => given.replace(/\/+$/, ''))
    .describe(about);

const privateNetwork = z
  .boolean()
  .default(false)
  .describe('Allow loopback and private addresses; a loopback address written here is allowed by itself.');

const vault = z
  .strictObject({
    address: url('Where Vault is, for example https://vault.example:8200.'),
    namespace: text('Namespace, where Vault has them.', 256).optional(),
    method: z.enum(['token', 'approle', 'kubernetes']).default('token').describe('How the gateway signs in.'),
    token: secret('Token, for `method: token`.').optional(),
    role_id: text('Role id, for `method: approle`.', 256).optional(),
    secret_id: secret('Secret id, for `method: approle`.').optional(),
    role: text('Role, for `method: kubernetes`.', 256).optional(),
    jwt_file: text(
      'File of the service account’s token; Kubernetes’ own place when absent.',
      4096,
    ).optional(),
    mount: z
      .string()
      .regex(/^[\w./-]{1,128}$/, 'Write a path such as approle or k8s/prod.')
      .optional()
      .describe('Where the method is enabled; by its own name when absent.'),
    allow_private_network: privateNetwork,
  })
  .optional()
  .describe('HashiCorp Vault, for references `vault:PATH#FIELD`.');

const aws = z
  .strictObject({
    region: text('Region; else that of the reference’s ARN, else AWS_REGION.', 64).optional(),
    access_key_id: secret('AWS access key id; else AWS_ACCESS_KEY_ID.').optional(),
    secret_access_key: secret('AWS secret access key; else AWS_SECRET_ACCESS_KEY.').optional(),
    session_token: secret('AWS session token.').optional(),
    endpoint: url('Another address than the region’s own.').optional(),
    allow_private_network: privateNetwork,
  })
  .optional()
  .describe('AWS Secrets Manager, for references `aws-sm:NAME`.');

const google = z
  .strictObject({
    service_account_file: text(
      'Path of a service account’s JSON; else GOOGLE_APPLICATION_CREDENTIALS.',
      4096,
    ).optional(),
    service_account_json: secret('A service account’s JSON.').optional(),
    project: text('Project of references that name none.', 256).optional(),
    endpoint: url('Another address than Google’s own.').optional(),
    allow_private_network: privateNetwork,
  })
  .optional()
  .describe('Google Secret Manager, for references `gcp-sm:PROJECT/SECRET`.');

const azure = z
  .strictObject({
    tenant_id: text('Directory (tenant) id.', 256),
    client_id: text('Application (client) id.', 256),
    client_secret: secret('Client secret.'),
    authority: url('Where tokens are had; https://login.microsoftonline.com when absent.').optional(),
    endpoint: url(
      'Address of a vault, with `{vault}` for its name; Azure’s public cloud when absent.',
    ).optional(),
    allow_private_network: privateNetwork,
  })
  .optional()
  .describe('Azure Key Vault, for references `azure-kv:VAULT/SECRET`.');

/** Secret stores that references in the configuration and in credentials are read from. */
export const secrets = z
  .strictObject({
    refresh_interval_s: seconds('How often references are read again.', { max: 86_400 }).default(300),
    timeout_ms: milliseconds('Longest wait for a store; the last good value is kept.', {
      max: 60_000,
    }).default(5000),
    vault,
    aws,
    google,
    azure,
  })
  .prefault({})
  .describe(
    'Secret stores. `api_key: "vault:secret/data/openai#api_key"` is read from there; so are `aws-sm:`, `gcp-sm:`, `azure-kv:`, `file:` and `credential:NAME`, a credential kept in the gateway.',
  );
