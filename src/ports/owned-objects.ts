/** What lives at a provider for a virtual key. */
export type ObjectKind = 'files' | 'batches';

/** Objects of one owner at one provider. */
export interface ObjectPlace {
  /** Id of the virtual key. */
  readonly owner: string;
  readonly provider: string;
  readonly kind: ObjectKind;
}

/** Who owns which object at a provider, where all keys share one account. */
export interface OwnedObjects {
  /** A keyed hash of a text, base64url: marks whose an id is. */
  readonly sign: (text: string) => string;
  /** Notes that an id came back to its owner. Never throws: what is not noted is only missing in lists. */
  remember(place: ObjectPlace, id: string): void;
  forget(place: ObjectPlace, id: string): void;
  /** The provider's own ids. */
  owned(place: ObjectPlace): Promise<ReadonlySet<string>>;
}
