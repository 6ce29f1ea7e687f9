import { BlockList, isIP } from 'node:net';

const INTERNAL: readonly (readonly [address: string, prefix: number, family: 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['::', 127, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
];

/**
 * Whether a URL's host, as written, is this machine or a private network. Only for an early hint: the outbound client
 * checks the address it connects to.
 */
export function isInternalHost(hostname: string): boolean {
  const bare = hostname.toLowerCase().replace(/^\[|\]$/g, '');
  if (bare === 'localhost' || bare.endsWith('.localhost')) return true;
  const version = isIP(bare);
  if (version === 0) return false;
  const list = new BlockList();
  for (const [address, prefix, family] of INTERNAL) list.addSubnet(address, prefix, family);
  return list.check(bare, version === 4 ? 'ipv4' : 'ipv6');
}

/** Whether text is an IP address or a CIDR block with a fitting prefix length. */
export function isAddressBlock(text: string): boolean {
  const [address = '', prefix] = text.split('/');
  const version = isIP(address);
  if (version === 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}

/** What is wrong with an http(s) URL of an upstream; `undefined` when it is sound. `{region}` may stand in it. */
export function urlFault(text: string): { problem: string; remedy: string } | undefined {
  const url = parseUrl(text);
  if (url === undefined) {
    return { problem: 'is no URL.', remedy: 'Write a full URL, for example https://api.example.com/v1.' };
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return { problem: 'is no http or https URL.', remedy: 'Start it with https:// or http://.' };
  }
  if (url.username !== '' || url.password !== '') {
    return {
      problem: 'holds credentials.',
      remedy: 'Take them out of the URL and use `api_key` or `headers`.',
    };
  }
  if (url.hash !== '' || url.search !== '') {
    return { problem: 'has a `?` or `#` part.', remedy: 'End the URL with its path.' };
  }
  return undefined;
}

/** Parses an upstream's URL with `{region}` filled by a placeholder; `undefined` when it is none. */
export function parseUrl(text: string): URL | undefined {
  return URL.parse(text.replaceAll('{region}', 'region')) ?? undefined;
}
