/** Longest item id the API takes back is 64 characters (WIRE §1.3); this leaves room for prefix and number. */
const MAX_STEM = 48;

const PREFIXES = {
  message: 'msg',
  reasoning: 'rs',
  function_call: 'fc',
  custom_tool_call: 'ctc',
  image_generation_call: 'ig',
  other: 'item',
} as const;

/** What an item id is for. */
export type ItemKind = keyof typeof PREFIXES;

/** Item ids of one answer: the upstream's where there is one and it is new, else made from the answer's id. */
export interface ItemIds {
  /** `index` is the item's place in `output`. */
  take(kind: ItemKind, index: number, upstream?: string): string;
}

/**
 * Ids that depend on the answer's id and the item's place alone. An upstream that repeats an id (xAI does) gets its second
 * item renamed: official clients refuse a stream with two items of one id.
 */
export function createItemIds(replyId: string): ItemIds {
  const stem = replyId.replace(/^resp_/, '').slice(0, MAX_STEM);
  const used = new Set<string>();
  return {
    take(kind, index, upstream) {
      const made = `${PREFIXES[kind]}_${stem}_${index}`;
      const id = upstream === undefined || upstream === '' || used.has(upstream) ? made : upstream;
      used.add(id);
      return id;
    },
  };
}

/** Whether an id has the shape {@link createItemIds} gives: such an item was never stored by a vendor. */
export function isOurItemId(id: string): boolean {
  return /^(?:msg|rs|fc|ctc|ig|item)_.*_\d+$/.test(id);
}
