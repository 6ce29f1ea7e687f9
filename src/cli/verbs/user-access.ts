import type { Command } from 'commander';
import type { Connection } from '../connect.ts';
import { CliFailure } from '../failure.ts';
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

/** `sluice users invite|sign-in-link|end-sessions|reset-second-factor`, beside the verbs every noun has. */
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
}
