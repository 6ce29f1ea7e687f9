/** Fields of a Responses request that name state which a vendor keeps; an id of it tells who. */
export const STATE_FIELDS = ['previous_response_id', 'conversation'] as const;

/** All fields by which a request continues what one account keeps: who else gets it lacks what came before. */
export const KEPT_FIELDS = [...STATE_FIELDS, 'thread'] as const;
