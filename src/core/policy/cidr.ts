/** A range of addresses: 32-bit words of the network and of the mask. IPv4 is its v4-mapped form, so one kind serves both. */
export interface AddressBlock {
  /** As written. */
  readonly text: string;
  readonly network: readonly number[];
  readonly mask: readonly number[];
}

const WORDS = 4;
/** Bits before the IPv4 address in its v4-mapped form `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2). */
const MAPPED_BITS = 96;

/**
 * Reads `192.0.2.0/24`, `2001:db8::/32` or a single address. Bits behind the prefix must be zero, because a block such as
 * `10.0.0.7/8` is nearly always a mistake.
 * @returns undefined for anything else
 */
export function parseBlock(text: string): AddressBlock | undefined {
  const [address = '', prefix, rest] = text.split('/');
  const words = parseAddress(address);
  if (words === undefined || rest !== undefined) return undefined;
  const mapped = !address.includes(':');
  if (prefix !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefix)) return undefined;
  const bits = (prefix === undefined ? (mapped ? 32 : 128) : Number(prefix)) + (mapped ? MAPPED_BITS : 0);
  if (bits > 128) return undefined;
  const mask = Array.from({ length: WORDS }, (_, index) => maskWord(bits - 32 * index));
  const clean = words.every((word, index) => (word & ~(mask[index] ?? 0)) === 0);
  return clean ? { text, network: words, mask } : undefined;
}

/** Whether an address lies in one of the blocks. What is no address lies in none. */
export function isWithin(blocks: readonly AddressBlock[], address: string): boolean {
  const words = parseAddress(address);
  return words !== undefined && blocks.some((block) => holds(block, words));
}

function holds({ network, mask }: AddressBlock, words: readonly number[]): boolean {
  for (let index = 0; index < WORDS; index += 1) {
    if (((words[index] ?? 0) & (mask[index] ?? 0)) !== network[index]) return false;
  }
  return true;
}

function maskWord(bits: number): number {
  if (bits >= 32) return -1;
  return bits <= 0 ? 0 : (-1 << (32 - bits)) | 0;
}

/** An address as four signed 32-bit words; IPv4 in its v4-mapped form. */
function parseAddress(text: string): number[] | undefined {
  const plain = text.split('%', 1)[0] ?? '';
  if (!plain.includes(':')) {
    const low = parseV4(plain);
    return low === undefined ? undefined : [0, 0, 0xffff, low];
  }
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain);
  const tail = dotted === null ? undefined : parseV4(dotted[2] ?? '');
  if (dotted !== null && tail === undefined) return undefined;
  const hex =
    tail === undefined
      ? plain
      : `${dotted?.[1] ?? ''}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
  const groups = expandGroups(hex);
  if (groups === undefined) return undefined;
  return Array.from({ length: WORDS }, (_, index) => {
    const [high = 0, low = 0] = groups.slice(index * 2, index * 2 + 2);
    return (high << 16) | low | 0;
  });
}

function parseV4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((word, part) => (word << 8) | Number(part), 0) | 0;
}

/** The eight 16-bit groups of an IPv6 address, `::` filled in. */
function expandGroups(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const read = (half: string | undefined) => (half === undefined || half === '' ? [] : half.split(':'));
  const head = read(halves[0]);
  const tail = read(halves[1]);
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(Math.max(0, missing)).fill('0'), ...tail];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.map((group) => Number.parseInt(group, 16));
}
