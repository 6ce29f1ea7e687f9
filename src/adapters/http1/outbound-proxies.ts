import { BlockList, isIP } from 'node:net';
import { SluiceError } from '../../core/errors/error.ts';

/** A proxy that opens tunnels to others (`CONNECT`, RFC 9110 §9.3.6). */
export interface OutboundProxy {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number;
  /** The value of `Proxy-Authorization`, where the address carries credentials. */
  readonly authorization: string | undefined;
}

/** Whether a host needs no proxy, by one entry of `NO_PROXY`. */
type Exemption = (host: string, port: number) => boolean;

const DEFAULT_PORTS = { 'http:': 80, 'https:': 443 } as const;

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function parseProxy(text: string, variable: string): OutboundProxy {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  const credentials = url === null ? undefined : decoded(`${url.username}:${url.password}`);
  if (
    url === null ||
    !(url.protocol === 'http:' || url.protocol === 'https:') ||
    url.hostname === '' ||
    credentials === undefined
  ) {
    throw new SluiceError(
      'conflict',
      `${variable} is no address of an HTTP proxy. Write it like http://proxy.example:3128, or take it out.`,
    );
  }
  return {
    secure: url.protocol === 'https:',
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORTS[url.protocol] : Number(url.port),
    authorization: url.username === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
}

function parseSubnet(entry: string): Exemption | undefined {
  const [, network = '', prefix] = /^(.*)\/(\d{1,3})$/.exec(entry) ?? [];
  const family = isIP(network);
  const bits = Number(prefix);
  if (family === 0 || bits > (family === 6 ? 128 : 32)) return undefined;
  const list = new BlockList();
  list.addSubnet(network, bits, family === 6 ? 'ipv6' : 'ipv4');
  return (host) => isIP(host) !== 0 && list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}

/** `host`, `.host`, `*.host` (that name and all below it), an address, a network as `10.0.0.0/8`, each but the last with `:port` or without. */
function parseExemption(entry: string): Exemption {
  if (entry === '*') return () => true;
  const subnet = parseSubnet(entry);
  if (subnet !== undefined) return subnet;
  const [, bracketed, named, port] = /^(?:\[([^\]]*)\]|(.*?))(?::(\d+))?$/.exec(entry) ?? [];
  const isBare = isIP(entry) === 6;
  const name = (isBare ? entry : (bracketed ?? named ?? '')).toLowerCase().replace(/^\*?\./, '');
  const only = isBare || port === undefined ? undefined : Number(port);
  return (host, at) => (only === undefined || only === at) && (host === name || host.endsWith(`.${name}`));
}

/** Nobody else's proxy can reach this machine as itself. */
function isThisMachine(host: string): boolean {
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(?:\.\d+){3}$/.test(host)
  );
}

/** Which way connections to other machines take. */
export class OutboundProxies {
  readonly #proxy: OutboundProxy;
  readonly #exempt: readonly Exemption[];

  constructor(proxy: OutboundProxy, exempt: readonly Exemption[]) {
    this.#proxy = proxy;
    this.#exempt = exempt;
  }

  /** The proxy a TLS connection to this host goes through; `undefined`: none. */
  proxyFor(hostname: string, port: number): OutboundProxy | undefined {
    const host = hostname.toLowerCase().replace(/^\[|\]$/g, '');
    if (isThisMachine(host) || this.#exempt.some((isExempt) => isExempt(host, port))) return undefined;
    return this.#proxy;
  }
}

/**
 * The proxy for TLS connections as `HTTPS_PROXY` and `NO_PROXY` name it, in capitals or not (small letters win, as in curl).
 * @throws SluiceError `conflict` when the address cannot be used: traffic that is to go through a proxy must not go past it
 */
export function readProxies(
  environment: Readonly<Record<string, string | undefined>>,
): OutboundProxies | undefined {
  const variable = environment['https_proxy'] === undefined ? 'HTTPS_PROXY' : 'https_proxy';
  const text = environment[variable]?.trim() ?? '';
  if (text === '') return undefined;
  const exempt = environment['no_proxy'] ?? environment['NO_PROXY'] ?? '';
  const entries = exempt.split(/[\s,]+/).filter((entry) => entry !== '');
  return new OutboundProxies(parseProxy(text, variable), entries.map(parseExemption));
}
