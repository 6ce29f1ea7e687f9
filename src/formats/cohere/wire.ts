import { ownFieldsOf } from '../own-fields.ts';

/** This format's id, also the key of its extensions. */
export const FORMAT = 'cohere';

export const { extended, own } = ownFieldsOf(FORMAT);
export { fromUpstream } from '../own-fields.ts';
