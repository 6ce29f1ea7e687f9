import { createPasswordHasher } from '../adapters/password/argon2.ts';
import { oneTimeCodes } from '../adapters/password/one-time-codes.ts';
import type { IdentityPorts } from '../adapters/sign-in/identity-fetch.ts';
import { createOidcProvider } from '../adapters/sign-in/oidc.ts';
import { createSamlProvider } from '../adapters/sign-in/saml.ts';
import { createTokenChecker } from '../adapters/sign-in/tokens.ts';
import type { AuditLog } from '../control/audit.ts';
import type { Handlers } from '../control/caller.ts';
import { createOwnSessionHandlers } from '../control/own-sessions.ts';
import { ScimDirectory } from '../control/scim/directory.ts';
import { createScimTokenHandlers, scimCaller } from '../control/scim/tokens.ts';
import type { Sessions } from '../control/sessions.ts';
import { createAccountHandlers } from '../control/sign-in/account-handlers.ts';
import { LocalAccounts } from '../control/sign-in/local-accounts.ts';
import type { GroupMapping } from '../control/sign-in/mapped-roles.ts';
import { type ConfiguredProvider, SingleSignOn } from '../control/sign-in/single-sign-on.ts';
import { TokenDesk, type TokenIssuer, type TokenRule } from '../control/sign-in/token-desk.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { Policy } from '../core/policy/policy.ts';
import type { RateLimits } from '../core/policy/virtual-key.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import type { Config } from './config/index.ts';
import type { Identity } from './identity.ts';

type SignInConfig = Config['sign_in'];
type PeopleConfig = SignInConfig['oidc'][number] | SignInConfig['saml'][number];

interface SignInAdapters extends IdentityPorts {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly random: Random;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly resolver: { readonly resolve: Resolve };
}

/** What a text of the configuration that may be a reference stands for. */
type Resolve = (text: string) => string | undefined;

/** More than a configuration can name at once. */
const MAX_REMEMBERED = 200;

function mappings(groups: PeopleConfig['groups']): readonly GroupMapping[] {
  return groups.map(({ group, role, team_id }) => ({ group, role, teamId: team_id }));
}

function optionalRole(role: PeopleConfig['default_role']): string | undefined {
  return role === 'none' ? undefined : role;
}

/** What is made from a part of the configuration, made anew only when that part changes: it holds keys and memories. */
function remembered<Part, Made>(make: (part: Part) => Made): (part: Part) => Made {
  const known = new Map<string, Made>();
  return (part) => {
    const text = JSON.stringify(part);
    const made = known.get(text) ?? make(part);
    known.delete(text);
    if (known.size >= MAX_REMEMBERED) known.delete(known.keys().next().value ?? '');
    known.set(text, made);
    return made;
  };
}

/** The same value for the same object: a configuration is read on every request and changes on a reload. */
function oncePer<From extends object, To>(make: (from: From) => To): (from: From) => To {
  let last: { readonly from: From; readonly to: To } | undefined;
  return (from) => {
    if (last?.from !== from) last = { from, to: make(from) };
    return last.to;
  };
}

function policyOf(provider: PeopleConfig): ConfiguredProvider['policy'] {
  return {
    name: provider.name,
    organizationId: provider.organization_id,
    groups: mappings(provider.groups),
    groupsClaim: provider.groups_claim,
    defaultRole: optionalRole(provider.default_role),
    justInTime: provider.just_in_time,
    linkExternalId: provider.link_external_id,
  };
}

/** The secret a provider knows us by. Without it we would be another client than the one it knows. */
function clientSecret(given: SignInConfig['oidc'][number], resolve: Resolve): string | undefined {
  const text = given.client_secret;
  const secret = text === undefined ? undefined : resolve(text);
  if (text === undefined || secret !== undefined) return secret;
  throw new SluiceError(
    'upstream_auth',
    'The secret of this identity provider could not be read; `sluice secrets status` says why.',
    { retryAfterS: 10 },
  );
}

function providerMaker(
  ports: IdentityPorts,
  resolve: Resolve,
): (config: SignInConfig) => ReadonlyMap<string, ConfiguredProvider> {
  const oidc = remembered((given: SignInConfig['oidc'][number]) =>
    createOidcProvider(
      {
        name: given.name,
        issuer: given.issuer,
        clientId: given.client_id,
        clientSecret: () => clientSecret(given, resolve),
        scopes: given.scopes,
        requireClaims: given.require_claims,
        allowPrivateNetwork: given.allow_private_network,
      },
      ports,
    ),
  );
  const saml = remembered((given: SignInConfig['saml'][number]) =>
    createSamlProvider(
      {
        name: given.name,
        issuer: given.issuer,
        entryPoint: given.entry_point,
        certificates: given.certificates,
        entityId: given.entity_id,
      },
      ports.clock,
    ),
  );
  const configured = (given: PeopleConfig, provider: ConfiguredProvider['provider']) =>
    [given.name, { provider, policy: policyOf(given), title: given.title ?? given.name }] as const;
  return (config) =>
    new Map([
      ...config.oidc.map((given) => configured(given, oidc(given))),
      ...config.saml.map((given) => configured(given, saml(given))),
    ]);
}

type TokenConfig = SignInConfig['tokens'][number];

function ruleOf(given: TokenConfig['rules'][number]): TokenRule {
  const { rpm, tpm } = given;
  const limits: RateLimits = { ...(rpm === undefined ? {} : { rpm }), ...(tpm === undefined ? {} : { tpm }) };
  const policy = given.operations === undefined ? {} : { operations: given.operations };
  return {
    when: given.when,
    key: {
      teamId: given.team_id,
      projectId: given.project_id,
      models: given.models,
      policy: policy as Policy,
      limits,
    },
  };
}

function issuerMaker(ports: IdentityPorts): (config: SignInConfig) => readonly TokenIssuer[] {
  const checker = remembered(
    (given: Pick<TokenConfig, 'issuer' | 'audience' | 'jwks_url' | 'algorithms' | 'allow_private_network'>) =>
      createTokenChecker(
        {
          issuer: given.issuer,
          audience: given.audience,
          jwksUrl: given.jwks_url,
          algorithms: given.algorithms,
          allowPrivateNetwork: given.allow_private_network,
        },
        ports,
      ),
  );
  return (config) =>
    config.tokens.map((given) => {
      const { issuer, audience, jwks_url, algorithms, allow_private_network } = given;
      return {
        name: given.name,
        organizationId: given.organization_id,
        checker: checker({ issuer, audience, jwks_url, algorithms, allow_private_network }),
        user: given.user,
        rules: given.rules.map(ruleOf),
        cacheMs: given.cache_s * 1000,
      };
    });
}

/** Tokens of configured issuers on the data plane. */
export function openTokens(identity: Identity, ports: SignInAdapters, config: () => Config): TokenDesk {
  const issuers = oncePer(issuerMaker(ports));
  return new TokenDesk({ ...ports, ...identity, issuers: () => issuers(config().sign_in) });
}

/** Local accounts, single sign-on and SCIM, with their handlers. */
export function openSignIn(
  around: {
    readonly identity: Identity;
    readonly sessions: Sessions;
    readonly config: () => Config;
    readonly url: () => string;
    readonly deleteUser: Handlers['deleteUser'];
  },
  adapters: SignInAdapters,
) {
  const { identity, sessions, config, url: baseUrl, deleteUser } = around;
  const providersOf = oncePer(providerMaker(adapters, adapters.resolver.resolve));
  const providers = () => providersOf(config().sign_in);
  const catchUp = () => identity.watch.check();
  const parts = { ...adapters, ...identity, sessions, baseUrl, catchUp };
  const accounts = new LocalAccounts({
    ...parts,
    passwords: createPasswordHasher(),
    codes: oneTimeCodes,
    enabled: () => config().sign_in.local,
  });
  const directory = new ScimDirectory({
    ...parts,
    deleteUser,
    mapping: () => {
      const { groups, default_role } = config().sign_in.scim;
      return { groups: mappings(groups), defaultRole: optionalRole(default_role) };
    },
  });
  const listSignInMethods: Handlers['listSignInMethods'] = async () => ({
    local: config().sign_in.local,
    providers: [...providers().values()].map(({ provider: { name, kind }, title }) => ({
      name,
      title,
      kind,
      url: `/auth/${kind}/${encodeURIComponent(name)}/start`,
    })),
  });
  return {
    signIn: { accounts, sso: new SingleSignOn({ ...parts, providers }) },
    scim: { directory, speakerOf: (token: string) => scimCaller(adapters, token), log: adapters.log },
    handlers: {
      listSignInMethods,
      ...createAccountHandlers({ ...parts, accounts }),
      ...createScimTokenHandlers(parts),
      ...createOwnSessionHandlers(parts),
    },
  };
}
