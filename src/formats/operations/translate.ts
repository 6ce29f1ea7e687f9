import { unsupported } from '../../core/errors/error.ts';
import type { Usage } from '../../core/model/index.ts';
import type { Operation, Shape } from './operation.ts';

/** The shapes of one operation as its `translate`: all meet in one canonical request and answer. */
export function translator<Request, Response extends { readonly usage: Usage }>(
  shapes: Readonly<Record<string, Shape<Request, Response>>>,
): Operation['translate'] {
  return ({ body, client, upstream, model }) => {
    const [from, to] = [shapes[client], shapes[upstream]];
    if (from === undefined || to === undefined) {
      throw unsupported('model', 'The provider of this model does not take this kind of request.');
    }
    const request = from.decodeRequest(body);
    return {
      ...to.encodeRequest(request, model),
      answer(answer, reply) {
        const response = to.decodeResponse(answer, request);
        return { body: from.encodeResponse(response, { ...reply, request }), usage: response.usage };
      },
    };
  };
}

/** For operations that every provider takes in the client's own shape. */
export const untranslated: Operation['translate'] = () => {
  throw unsupported('model', 'The provider of this model does not take this kind of request.');
};
