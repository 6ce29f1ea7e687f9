import { z } from 'zod';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { idParam, optionalPage, pageOf, pageQuery, time } from '../shapes.ts';

const nothing = z.strictObject({});
const done = z.strictObject({ ok: z.literal(true) });
const password = z.string().min(1).max(200);
const code = z.string().min(6).max(40);
const email = z.string().min(3).max(320);

/** Either a session was opened (its cookie is set), or a code is needed first. */
const opened = z.strictObject({
  status: z.enum(['signed_in', 'second_factor']),
  expires_at: time,
  challenge: z.string().nullable(),
});

const session = z.strictObject({
  id: z.string(),
  /** The one this call came with. */
  current: z.boolean(),
  opened_at: time,
  last_used_at: time,
  expires_at: time,
  address: z.string().nullable(),
  browser: z.string().nullable(),
});

const scimToken = z.strictObject({
  id: z.string(),
  organization_id: z.string(),
  name: z.string(),
  created_at: time,
});

/** How people prove who they are, and what programs provision them with. */
export const signInContract = {
  listSignInMethods: endpoint({
    method: 'GET',
    path: '/api/sign-in/methods',
    summary: 'How one can sign in here',
    permission: 'public',
    input: nothing,
    output: z.strictObject({
      local: z.boolean(),
      providers: z.array(
        z.strictObject({
          name: z.string(),
          title: z.string(),
          kind: z.enum(['oidc', 'saml']),
          url: z.string(),
        }),
      ),
    }),
  }),
  signInLocal: endpoint({
    method: 'POST',
    path: '/api/sign-in/local',
    summary: 'Sign in with e-mail address and password',
    permission: 'public',
    input: z.strictObject({ email, password }),
    output: opened,
    audit: 'session.open',
  }),
  signInSecondFactor: endpoint({
    method: 'POST',
    path: '/api/sign-in/second-factor',
    summary: 'The six digits of the authenticator app, or a recovery code',
    permission: 'public',
    input: z.strictObject({ challenge: z.string().min(1).max(200), code }),
    output: opened,
    audit: 'session.open',
  }),
  acceptInvitation: endpoint({
    method: 'POST',
    path: '/api/sign-in/invitation',
    summary: 'Choose a password with an invitation, and sign in',
    permission: 'public',
    input: z.strictObject({ token: z.string().min(1).max(200), password }),
    output: opened,
    audit: 'invitation.accept',
  }),
  createInvitation: endpoint({
    method: 'POST',
    path: '/api/invitations',
    summary: 'A one-time link with which a user chooses a password; valid for seven days',
    permission: 'users:write',
    input: z.strictObject({ user_id: z.string().min(1).max(100) }),
    output: z.strictObject({ id: z.string(), url: z.string(), expires_at: time }),
    audit: 'invitation.create',
  }),
  listInvitations: endpoint({
    method: 'GET',
    path: '/api/invitations',
    summary: 'Invitations that nobody has used and that have not expired, newest first; never their links',
    permission: 'users:write',
    input: pageQuery.extend({ organization_id: z.string().max(100).optional() }),
    output: pageOf(
      z.strictObject({
        id: z.string(),
        user_id: z.string(),
        user_name: z.string(),
        email: z.string().nullable(),
        created_at: time,
        expires_at: time,
      }),
    ),
  }),
  revokeInvitation: endpoint({
    method: 'DELETE',
    path: '/api/invitations/:id',
    summary: 'Take an invitation back: its link opens nothing any more',
    permission: 'users:write',
    input: idParam,
    output: done,
    audit: 'invitation.revoke',
  }),
  resetSecondFactor: endpoint({
    method: 'POST',
    path: '/api/users/:id/reset-second-factor',
    summary: 'Take a user’s second factor away, and end his sessions',
    permission: 'users:write',
    input: idParam,
    output: done,
    audit: 'users.reset_second_factor',
  }),
  getAccount: endpoint({
    method: 'GET',
    path: '/api/account',
    summary: 'Who the caller is, and how he signs in',
    permission: 'session:write',
    input: nothing,
    output: z.strictObject({
      user_id: z.string().nullable(),
      name: z.string(),
      email: z.string().nullable(),
      organization_id: z.string().nullable(),
      has_password: z.boolean(),
      second_factor: z.boolean(),
      recovery_codes_left: z.number().int(),
      identities: z.array(
        z.strictObject({ issuer: z.string(), subject: z.string(), last_used_at: time.nullable() }),
      ),
    }),
  }),
  changePassword: endpoint({
    method: 'POST',
    path: '/api/account/password',
    summary: 'Change one’s own password; other sessions end',
    permission: 'session:write',
    input: z.strictObject({ current_password: password, new_password: password }),
    output: done,
    audit: 'account.password',
  }),
  enrollSecondFactor: endpoint({
    method: 'POST',
    path: '/api/account/second-factor',
    summary: 'Begin with an authenticator app; it counts once a code of it was confirmed',
    permission: 'session:write',
    input: z.strictObject({ current_password: password }),
    output: z.strictObject({ secret: z.string(), otpauth_url: z.string() }),
    audit: 'account.second_factor_begin',
  }),
  confirmSecondFactor: endpoint({
    method: 'POST',
    path: '/api/account/second-factor/confirm',
    summary: 'Confirm the app with a code of it; the recovery codes are in this answer only',
    permission: 'session:write',
    input: z.strictObject({ code }),
    output: z.strictObject({ recovery_codes: z.array(z.string()) }),
    audit: 'account.second_factor_on',
  }),
  removeSecondFactor: endpoint({
    method: 'POST',
    path: '/api/account/second-factor/remove',
    summary: 'Do without the second factor',
    permission: 'session:write',
    input: z.strictObject({ current_password: password, code }),
    output: done,
    audit: 'account.second_factor_off',
  }),
  listOwnSessions: endpoint({
    method: 'GET',
    path: '/api/account/sessions',
    summary: 'One’s own sessions: since when, from where, last used when',
    permission: 'session:write',
    input: optionalPage,
    output: pageOf(session),
  }),
  closeOwnSession: endpoint({
    method: 'DELETE',
    path: '/api/account/sessions/:id',
    summary: 'End one of one’s own sessions',
    permission: 'session:write',
    input: idParam,
    output: done,
    audit: 'account.session_close',
  }),
  closeOtherSessions: endpoint({
    method: 'POST',
    path: '/api/account/sessions/close-others',
    summary: 'End all of one’s own sessions but this one',
    permission: 'session:write',
    input: nothing,
    output: z.strictObject({ closed: z.number().int() }),
    audit: 'account.sessions_close',
  }),
  closeUserSessions: endpoint({
    method: 'POST',
    path: '/api/users/:id/close-sessions',
    summary: 'End all sessions of a user; needs control over him',
    permission: 'users:write',
    input: idParam,
    output: z.strictObject({ closed: z.number().int() }),
    audit: 'users.close_sessions',
  }),
  createScimToken: endpoint({
    method: 'POST',
    path: '/api/scim-tokens',
    summary: 'A token with which a directory provisions users by SCIM 2.0; it is in this answer only',
    permission: 'organizations:write',
    input: z.strictObject({
      name: z.string().min(1).max(100),
      organization_id: z.string().min(1).max(100).optional(),
    }),
    output: scimToken.extend({ token: z.string() }),
    audit: 'scim_tokens.create',
  }),
  listScimTokens: endpoint({
    method: 'GET',
    path: '/api/scim-tokens',
    summary: 'SCIM tokens, without their secrets',
    permission: 'organizations:write',
    input: optionalPage.extend({ organization_id: z.string().min(1).max(100).optional() }),
    output: pageOf(scimToken),
  }),
  revokeScimToken: endpoint({
    method: 'DELETE',
    path: '/api/scim-tokens/:id',
    summary: 'Revoke a SCIM token',
    permission: 'organizations:write',
    input: idParam,
    output: done,
    audit: 'scim_tokens.revoke',
  }),
} as const satisfies Record<string, Endpoint>;
