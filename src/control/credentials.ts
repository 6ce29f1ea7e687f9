import { badRequest, SluiceError } from '../core/errors/error.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { Clock } from '../ports/clock.ts';
import { type CredentialRecord, credentialPlace } from '../ports/credential-store.ts';
import type { Envelope } from '../ports/envelope.ts';
import type { Random } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import { pageOfRules } from './budgets.ts';
import { type Handlers, notFound, toTime } from './caller.ts';
import type { OutputOf } from './contract.ts';
import type { MasterKeyRotation } from './master-key-rotation.ts';

/** How a reference of the configuration stands. */
export interface ReferenceState {
  readonly reference: string;
  /** `stale`: the last good value is used, the store does not answer. `failed`: there is none. */
  readonly state: 'ok' | 'stale' | 'failed' | 'unused';
  readonly problem: string | undefined;
  readonly readAt: number | undefined;
}

export interface CredentialPorts {
  readonly store: Store;
  readonly envelope: Envelope;
  readonly clock: Clock;
  readonly random: Random;
  readonly rotation: MasterKeyRotation;
  /** Secrets that the configuration refers to. */
  readonly references: {
    states(): readonly ReferenceState[];
    /** Whether the configuration in force names this credential. */
    names(name: string): boolean;
    /** Throws `bad_request` for what is no reference, or one to another credential. */
    check(reference: string): void;
    /** Reads credentials again and puts them into force. */
    refresh(): Promise<void>;
  };
}

type View = OutputOf<'getCredential'>;

/** Of shorter values even four characters tell too much. */
const MIN_HINTED = 20;

function viewOf(record: CredentialRecord): View {
  return {
    id: record.id,
    organization_id: record.organizationId,
    name: record.name,
    description: record.description,
    kind: record.reference === undefined ? 'value' : 'reference',
    hint: record.hint,
    reference: record.reference ?? null,
    created_at: toTime(record.createdAt),
    updated_at: toTime(record.updatedAt),
  };
}

interface Given {
  readonly value?: string | undefined;
  readonly reference?: string | undefined;
}

/** What is kept of a value or a reference. Throws `bad_request` unless it is one of the two. */
function contentOf(
  ports: CredentialPorts,
  record: Pick<CredentialRecord, 'id' | 'organizationId'>,
  { value, reference }: Given,
): Pick<CredentialRecord, 'sealed' | 'reference' | 'hint'> {
  if ((value === undefined) === (reference === undefined)) {
    throw badRequest('value', 'Send either `value` or `reference`.');
  }
  if (reference !== undefined) {
    ports.references.check(reference);
    return { sealed: undefined, reference, hint: '' };
  }
  const secret = value ?? '';
  // It becomes a header: what no header can carry would fail with every request.
  if (secret.trim() !== secret || [...secret].some((one) => one < ' ' && one !== '\n' && one !== '\t')) {
    throw badRequest('value', '`value` has blanks around it, or control characters in it.');
  }
  return {
    sealed: ports.envelope.seal(secret, credentialPlace(record)),
    reference: undefined,
    hint: secret.length >= MIN_HINTED ? secret.slice(-4) : '',
  };
}

function stateView(ports: CredentialPorts): OutputOf<'getSecrets'>['master_key'] {
  const { id, source, previous } = ports.rotation.state();
  return { id, source, previous_keys: previous };
}

type CredentialHandlers = Pick<
  Handlers,
  | 'createCredential'
  | 'listCredentials'
  | 'getCredential'
  | 'updateCredential'
  | 'deleteCredential'
  | 'getSecrets'
  | 'rotateMasterKey'
>;

/** Credentials for providers. Values go in and never come out. */
export function createCredentialHandlers(ports: CredentialPorts): CredentialHandlers {
  const { store, clock, random, references, rotation } = ports;

  async function find(id: string): Promise<CredentialRecord> {
    const found = (await store.credentials.all()).find((record) => record.id === id);
    if (found === undefined) throw notFound('credential');
    return found;
  }

  return {
    async createCredential({ name, description, ...given }) {
      const now = clock.now();
      const born = { id: random.id('cred_'), organizationId: DEFAULT_ORGANIZATION_ID };
      const content = contentOf(ports, born, given);
      const record = { ...born, ...content, name, description, createdAt: now, updatedAt: now };
      await store.credentials.insert(record);
      await references.refresh();
      return viewOf(record);
    },
    async listCredentials(input) {
      const page = pageOfRules(await store.credentials.all(), input);
      return { data: page.data.map(viewOf), next_cursor: page.next_cursor };
    },
    async getCredential({ id }) {
      return viewOf(await find(id));
    },
    async updateCredential({ id, name, description, ...given }) {
      const before = await find(id);
      if (name !== undefined && name !== before.name) demandUnused(ports, before.name);
      const same = given.value === undefined && given.reference === undefined;
      const after = {
        ...before,
        ...(same ? {} : contentOf(ports, before, given)),
        name: name ?? before.name,
        description: description ?? before.description,
        updatedAt: clock.now(),
      };
      await store.credentials.update(after);
      await references.refresh();
      return viewOf(after);
    },
    async deleteCredential({ id }) {
      const { name } = await find(id);
      demandUnused(ports, name);
      if (!(await store.credentials.remove(id))) throw notFound('credential');
      await references.refresh();
      return { ok: true };
    },
    async getSecrets() {
      const data = references.states().map(({ reference, state, problem, readAt }) => ({
        reference,
        state,
        problem: problem ?? null,
        read_at: readAt === undefined ? null : toTime(readAt),
      }));
      return { master_key: stateView(ports), references: data };
    },
    async rotateMasterKey() {
      const rewrapped = await rotation.rotate();
      return { master_key: stateView(ports), rewrapped };
    },
  };
}

function demandUnused({ references }: CredentialPorts, name: string): void {
  if (!references.names(name)) return;
  throw new SluiceError(
    'conflict',
    `The configuration names \`credential:${name}\`; take it out there first.`,
  );
}
