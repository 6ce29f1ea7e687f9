import { type Caller, type Handlers, notFound, toTime } from './caller.ts';
import { pageByName } from './named-pages.ts';
import { PlaceDesk, type PlacePorts } from './place-ports.ts';
import type { Sessions, SessionView } from './sessions.ts';

type OwnSessionHandlers = Pick<
  Handlers,
  'listOwnSessions' | 'closeOwnSession' | 'closeOtherSessions' | 'closeUserSessions'
>;

/** Characters of a session's name that are shown: enough to tell any two apart, and no use for anything else. */
const SHOWN = 20;

/** Sorts by when sessions were opened, the newest first; unlike their last use that does not change while one pages. */
function newestFirst({ openedAt, id }: SessionView): string {
  return `${String(Number.MAX_SAFE_INTEGER - openedAt).padStart(16, '0')} ${id.slice(0, SHOWN)}`;
}

function viewOf(session: SessionView, caller: Caller) {
  const { id, openedAt, usedAt, expiresAt, from } = session;
  return {
    id: id.slice(0, SHOWN),
    current: id === caller.sessionId,
    opened_at: toTime(openedAt),
    last_used_at: toTime(usedAt),
    expires_at: toTime(expiresAt),
    address: from?.address ?? null,
    browser: from?.agent ?? null,
  };
}

/** One's own sessions, and those of a user one manages. The admin key's are everybody's who has it. */
export function createOwnSessionHandlers(
  ports: PlacePorts & { readonly sessions: Sessions },
): OwnSessionHandlers {
  const { sessions, rights } = ports;
  const desk = new PlaceDesk(ports);
  return {
    async listOwnSessions(input, caller) {
      const found = await sessions.listOf(caller.userId);
      const { data, next_cursor } = pageByName(found, input, newestFirst);
      return { data: data.map((session) => viewOf(session, caller)), next_cursor };
    },
    async closeOwnSession({ id }, caller) {
      const own = await sessions.listOf(caller.userId);
      const found = own.find((session) => session.id.slice(0, SHOWN) === id);
      if (found === undefined) throw notFound('session');
      await sessions.close(found.id);
      return { ok: true };
    },
    async closeOtherSessions(_input, caller) {
      return { closed: await sessions.closeAllOf(caller.userId, caller.sessionId) };
    },
    async closeUserSessions({ id }, caller) {
      const user = desk.find('user', caller, id);
      rights.demandControlOf(caller, user.id);
      return { closed: await sessions.closeAllOf(user.id) };
    },
  };
}
