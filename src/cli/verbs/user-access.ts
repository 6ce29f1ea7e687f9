import type { Command } from 'commander';
import type { Connection } from '../connect.ts';
import { CliFailure } from '../failure.ts';
import { tableLines } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { addVerb, type ConnectionOptions, printJson, withConnection } from '../verb.ts';

/** The id of a user who is named by id, e-mail address or name. */
async function findUser(gateway: Connection, word: string): Promise<string> {
  if (/^user_/.test(word)) return word;
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await gateway.call('listUsers', { limit: 500, ...(cursor ? { cursor } : {}) });
    for (const { id, name, email } of page.data) {
      if (name === word || email?.toLowerCase() === word.toLowerCase()) found.push(id);
    }
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  const [first, second] = found;
  if (first === undefined) throw new CliFailure('not_found', `There is no user "${clean(word)}".`);
  if (second !== undefined) throw new CliFailure('conflict', `Several are "${clean(word)}"; use an id.`);
  return first;
}

/** What can be done about how a user signs in. */
const VERBS = [
  {
    name: 'invite',
    summary: 'Make a one-time link with which the user chooses a password; valid for seven days',
    run: async (gateway: Connection, id: string) => {
      const made = await gateway.call('createInvitation', { user_id: id });
      return { answer: made, sentence: `${made.url}\nValid until ${made.expires_at}, once.` };
    },
  },
  {
    name: 'sign-in-link',
    summary: 'Make a one-time link that signs one browser in as the user; valid for ten minutes',
    run: async (gateway: Connection, id: string) => {
      const made = await gateway.call('createSignInLink', { user_id: id });
      return { answer: made, sentence: `${made.url}\nValid until ${made.expires_at}, once.` };
    },
  },
  {
    name: 'end-sessions',
    summary: 'End all sessions of the user',
    run: async (gateway: Connection, id: string) => {
      const answer = await gateway.call('closeUserSessions', { id });
      return { answer, sentence: `${answer.closed} sessions are ended.` };
    },
  },
  {
    name: 'reset-second-factor',
    summary: 'Take the user’s second factor away, and end his sessions',
    run: async (gateway: Connection, id: string) => {
      const answer = await gateway.call('resetSecondFactor', { id });
      return { answer, sentence: 'The second factor is gone, and the sessions are ended.' };
    },
  },
] as const;

async function invitations(options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const page = await connect(options, terminal).call('listInvitations', { limit: 500 });
  if (options.json) return printJson(terminal, page);
  if (page.data.length === 0) return terminal.print('No invitation waits to be used.');
  const table = {
    columns: [
      { title: 'ID' },
      { title: 'USER', shrinks: true },
      { title: 'E-MAIL', shrinks: true },
      { title: 'UNTIL' },
    ],
    rows: page.data.map((one) => [one.id, one.user_name, one.email ?? '–', one.expires_at]),
  } as const;
  for (const line of tableLines(table, terminal)) terminal.print(line);
}

async function withdraw(id: string, options: ConnectionOptions, terminal: Terminal): Promise<void> {
  const { connect } = await import('../connect.ts');
  const answer = await connect(options, terminal).call('revokeInvitation', { id });
  if (options.json) printJson(terminal, { id, ...answer });
  else terminal.print('The invitation is taken back: its link opens nothing any more.');
}

/** `sluice users invite|invitations|withdraw|sign-in-link|…`, beside the verbs every noun has. */
export function defineUserAccess(program: Command, terminal: Terminal): void {
  const users = program.commands.find((command) => command.name() === 'users');
  if (users === undefined) throw new Error('`users` must be defined first.');
  for (const { name, summary, run } of VERBS) {
    withConnection(addVerb(users, name, { summary, examples: [`sluice users ${name} ada@example.com`] }))
      .argument('<user>', 'id, e-mail address or name')
      .action(async (word: string, options: ConnectionOptions) => {
        const { connect } = await import('../connect.ts');
        const gateway = connect(options, terminal);
        const { answer, sentence } = await run(gateway, await findUser(gateway, word));
        if (options.json) printJson(terminal, answer);
        else for (const line of sentence.split('\n')) terminal.print(clean(line));
      });
  }
  withConnection(
    addVerb(users, 'invitations', {
      summary: 'List invitations that nobody has used',
      examples: ['sluice users invitations'],
    }),
  ).action((options: ConnectionOptions) => invitations(options, terminal));
  withConnection(
    addVerb(users, 'withdraw', {
      summary: 'Take an invitation back',
      examples: ['sluice users withdraw invitation_Qm9i'],
    }),
  )
    .argument('<invitation>', 'its id')
    .action((id: string, options: ConnectionOptions) => withdraw(id, options, terminal));
}
