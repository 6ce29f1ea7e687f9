import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import { checkFieldTypes } from '../formats/field-types.ts';
import { boundaryOf, type FormPart, formFields, readForm } from '../formats/multipart.ts';
import { OPERATIONS, type OperationName } from '../formats/operations/index.ts';
import type { Called } from '../pipeline/call.ts';
import { readBytes, readJsonBody } from './body.ts';
import type { Action, Call, DataPlanePorts } from './call.ts';
import { hangUp, newFacts } from './chat.ts';
import { readClientFacts } from './client-facts.ts';
import { runExchange } from './relay.ts';

/** What was read of a request. */
interface Read {
  readonly raw: Buffer;
  readonly body: JsonObject;
  readonly form?: readonly FormPart[];
}

interface Asked {
  readonly operation: OperationName;
  /** The client's shape, see `formats/operations`. */
  readonly shape: string;
  readonly read: (ports: DataPlanePorts, call: Call) => Promise<Read>;
}

async function serve(ports: DataPlanePorts, call: Call, asked: Asked): Promise<void> {
  const startedAt = ports.clock.now();
  const startedMono = ports.clock.monotonic();
  const runtime = ports.runtime();
  const client = readClientFacts(call.request, call.query);
  // Without any key the answer is known before the body is read.
  if (client.credential === undefined) ports.admit(client, runtime);
  const { raw, body, form } = await asked.read(ports, call);
  const { operation, shape } = asked;
  const spec = OPERATIONS[operation];
  if (form === undefined) checkFieldTypes(operation, body);
  const envelope = spec.envelope(body, shape, raw.length);
  body['model'] ??= envelope.model;
  const exchange: Called = {
    id: call.requestId,
    startedAt,
    startedMono,
    codec: {
      id: shape === 'openai' ? `openai-${operation}` : shape,
      encodeError: (error, requestId) => call.codec.encodeError(error, requestId),
    },
    operation,
    runtime,
    client,
    raw,
    body,
    envelope,
    signal: hangUp(call.response),
    facts: newFacts(),
    end: undefined,
    spec,
    shape,
    contentType: call.request.headers['content-type'] ?? 'application/json',
    form,
  };
  await runExchange(ports, call, { exchange, run: ports.operation });
}

/** An operation whose JSON body was read already. */
export function readOperation(asked: Omit<Asked, 'read'>, read: Read): Action {
  return (ports, call) => serve(ports, call, { ...asked, read: async () => read });
}

/** An operation with a JSON body that names its model. */
export function jsonOperation(operation: OperationName, shape: string): Action {
  const read: Asked['read'] = (ports, call) => readJsonBody(call.request, ports.bodyLimits());
  return (ports, call) => serve(ports, call, { operation, shape, read });
}

/** `:embedContent` and `:batchEmbedContents`: the model stands in the path, and which of the two in the body. */
export const geminiEmbeddings: Action = (ports, call) => {
  const batch = (call.request.url ?? '').split('?', 1)[0]?.endsWith(':batchEmbedContents') === true;
  const read: Asked['read'] = async () => {
    const { raw, body } = await readJsonBody(call.request, ports.bodyLimits());
    const wanted = batch ? 'requests' : 'content';
    if (body[wanted] === undefined) throw badRequest(wanted, `\`${wanted}\` is required.`);
    if (!batch) delete body['requests'];
    body['model'] = (call.params['model'] ?? '').replace(/^models\//, '');
    return { raw, body };
  };
  return serve(ports, call, { operation: 'embeddings', shape: 'gemini-embeddings', read });
};

async function readUpload(ports: DataPlanePorts, call: Call): Promise<Read> {
  const type = call.request.headers['content-type'];
  const boundary = boundaryOf(type);
  if (boundary === undefined) {
    throw new SluiceError('unsupported_media_type', 'Send the audio as `content-type: multipart/form-data`.');
  }
  const raw = await readBytes(call.request, ports.bodyLimits());
  const form = readForm(raw, boundary);
  const body = formFields(raw, form);
  if (!form.some(({ name, filename }) => name === 'file' && filename !== undefined)) {
    throw badRequest('file', '`file` is required: the audio to transcribe.');
  }
  return { raw, body, form };
}

/** `POST /v1/audio/transcriptions`. */
export const transcription: Action = (ports, call) =>
  serve(ports, call, { operation: 'transcriptions', shape: 'openai', read: readUpload });
