import { z } from 'zod';
import { OPERATIONS } from '../../../core/policy/operations.ts';
import { MODEL_NAME, PROVIDER_NAME, seconds, secret, text } from './scalars.ts';

const NAME = z
  .string()
  .regex(PROVIDER_NAME, 'Write lower-case letters, digits and . _ -')
  .describe('Name in the address of the sign-in and in the log; unique among all providers.');

const ISSUER = z
  .string()
  .max(1024)
  .regex(
    /^https?:\/\/[^\s/@?#]+(\/[^\s?#]*)?$/,
    'Write an http:// or https:// URL without credentials or query.',
  );

const allowPrivate = z
  .boolean()
  .default(false)
  .describe('Let its addresses be on a private network or this machine.');

const organization = text('The organization its users belong to.', 100).default('org_default');

const BUILT_IN = ['owner', 'admin', 'member', 'viewer', 'billing', 'auditor'];
const role = text(`${BUILT_IN.join(', ')}, or the id of a custom role.`, 100);

const groups = z
  .array(
    z
      .strictObject({
        group: text('The name or id of the group, exactly as the provider writes it.', 256),
        role,
        team_id: text('The team the role is held in; without it the whole organization.', 100).optional(),
      })
      .describe('Members of this group hold this role.'),
  )
  .max(1000)
  .default([])
  .describe('What groups at the provider give. Of several for one place, the first in this list holds.');

/** What OIDC and SAML have in common. */
const people = {
  name: NAME,
  title: text('What the sign-in page calls it; the name when absent.', 100).optional(),
  organization_id: organization,
  groups,
  groups_claim: text('The claim or attribute that lists groups.', 256).default('groups'),
  default_role: z
    .enum(['none', 'member', 'viewer', 'billing', 'auditor'])
    .default('none')
    .describe('Role over the organization for whom no group gives one. `none`: such people are refused.'),
  just_in_time: z.boolean().default(true).describe('Make users who sign in for the first time.'),
  link_external_id: text(
    'Claim or attribute that equals the `externalId` SCIM provisioned users with; links those users on first sign-in.',
    256,
  ).optional(),
  allow_private_network: allowPrivate,
};

const oidc = z
  .array(
    z
      .strictObject({
        ...people,
        issuer: ISSUER.describe('The issuer, exactly as its tokens say it.'),
        client_id: text('Our id there.', 512),
        client_secret: secret('Our secret there; without it we are a public client.').optional(),
        scopes: z
          .array(text('A scope.', 128))
          .max(50)
          .default(['openid', 'profile', 'email'])
          .describe('Scopes asked for.'),
        require_claims: z
          .record(z.string().min(1).max(256), z.union([z.string().max(1024), z.boolean()]))
          .default({})
          .describe('Claims of the ID token that must have these values, for example `hd: example.com`.'),
      })
      .describe('An OpenID Connect provider.'),
  )
  .max(50)
  .default([])
  .describe('OpenID Connect providers.');

const saml = z
  .array(
    z
      .strictObject({
        ...people,
        issuer: text('The entity id of the identity provider.', 1024),
        entry_point: ISSUER.or(
          z
            .string()
            .max(2048)
            .regex(/^https?:\/\/[^\s@#]+$/),
        ).describe('Its single sign-on address (HTTP-Redirect binding).'),
        certificates: z
          .array(text('A PEM certificate.', 16_384))
          .min(1)
          .max(10)
          .describe('Its signing certificates; several while it changes them.'),
        entity_id: text(
          'Our entity id and the audience of its assertions; our metadata address when absent.',
          1024,
        ).optional(),
      })
      .describe('A SAML 2.0 identity provider.'),
  )
  .max(50)
  .default([])
  .describe('SAML 2.0 identity providers.');

const rule = z
  .strictObject({
    when: z
      .record(z.string().min(1).max(256), z.union([z.string().max(1024), z.boolean()]))
      .default({})
      .describe('Claims that must all have these values (a list must contain it); dots lead into objects.'),
    team_id: text('The team calls count for.', 100).optional(),
    project_id: text('The project calls count for.', 100).optional(),
    models: z
      .array(z.string().regex(MODEL_NAME))
      .max(1000)
      .optional()
      .describe('Models these tokens may use; every model of the team when absent.'),
    operations: z.array(z.enum(OPERATIONS)).max(50).optional().describe('Operations they may use.'),
    rpm: z.int().min(1).max(1_000_000_000).optional().describe('Requests per minute of one subject.'),
    tpm: z.int().min(1).max(1_000_000_000).optional().describe('Tokens per minute of one subject.'),
  })
  .describe('What tokens with these claims may do.');

const tokens = z
  .array(
    z
      .strictObject({
        name: NAME,
        organization_id: organization,
        issuer: ISSUER.describe('The issuer, exactly as its tokens say it.'),
        audience: text('The audience its tokens must have.', 512),
        jwks_url: ISSUER.optional().describe('Where its keys are; found by discovery when absent.'),
        algorithms: z
          .array(
            z.enum([
              'RS256',
              'RS384',
              'RS512',
              'PS256',
              'PS384',
              'PS512',
              'ES256',
              'ES384',
              'ES512',
              'EdDSA',
            ]),
          )
          .min(1)
          .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
          .describe('Signatures accepted.'),
        user: z
          .enum(['none', 'linked', 'required'])
          .default('none')
          .describe(
            '`linked`: calls also count for the user who signs in with this issuer and subject, if there is one. ' +
              '`required`: without such a user the token is refused.',
          ),
        rules: z
          .array(rule)
          .min(1)
          .max(200)
          .describe('The first rule that fits decides. A token that none fits is refused.'),
        cache_s: seconds('How long a checked token is not checked again.', { min: 0, max: 60 }).default(60),
        allow_private_network: allowPrivate,
      })
      .describe('An issuer whose tokens clients may send instead of a virtual key.'),
  )
  .max(50)
  .default([])
  .describe('Issuers of JWTs accepted on the data plane.');

/** How people and programs prove who they are. */
export const signIn = z
  .strictObject({
    local: z
      .boolean()
      .default(true)
      .describe('Accounts with a password kept here. The admin key always works.'),
    oidc,
    saml,
    scim: z
      .strictObject({
        groups,
        default_role: z
          .enum(['none', 'member', 'viewer', 'billing', 'auditor'])
          .default('none')
          .describe('Role over the organization for whom no group gives one.'),
      })
      .prefault({})
      .describe('Users and groups provisioned by SCIM 2.0.'),
    tokens,
  })
  .prefault({})
  .describe('How people and programs prove who they are.');
