import { describe, expect, it } from 'vitest';
import { readProxies } from './outbound-proxies.ts';

const proxy = (environment: Record<string, string>, host = 'api.example.com', port = 443) =>
  readProxies(environment)?.proxyFor(host, port);

describe('the proxy of the environment', () => {
  it('is none without HTTPS_PROXY, or with an empty one', () => {
    expect(readProxies({})).toBeUndefined();
    expect(readProxies({ HTTPS_PROXY: ' ' })).toBeUndefined();
    expect(readProxies({ HTTP_PROXY: 'http://p:1' })).toBeUndefined();
    expect(readProxies({ https_proxy: '', HTTPS_PROXY: 'http://p:1' })).toBeUndefined();
  });

  it.each([
    ['http://p:3128', { secure: false, hostname: 'p', port: 3128 }],
    ['p:3128', { secure: false, hostname: 'p', port: 3128 }],
    ['http://p', { secure: false, hostname: 'p', port: 80 }],
    ['https://p', { secure: true, hostname: 'p', port: 443 }],
    ['http://[fd00::1]:8080', { secure: false, hostname: 'fd00::1', port: 8080 }],
    ['http://user:p%40ss@p', { secure: false, hostname: 'p', port: 80, authorization: 'Basic dXNlcjpwQHNz' }],
  ])('%s', (text, expected) => {
    expect(proxy({ HTTPS_PROXY: text })).toEqual({ authorization: undefined, ...expected });
  });

  it('wins in small letters', () => {
    expect(proxy({ HTTPS_PROXY: 'http://a', https_proxy: 'http://b' })?.hostname).toBe('b');
  });

  it.each(['socks5://p:1080', 'http://', 'ftp://p', '://', 'http://us%er@p'])('%s is refused', (text) => {
    expect(() => readProxies({ HTTPS_PROXY: text })).toThrow(/^HTTPS_PROXY is no address of an HTTP proxy/);
  });
});

describe('NO_PROXY', () => {
  const isDirect = (list: string, host: string, port = 443) =>
    proxy({ HTTPS_PROXY: 'http://p', NO_PROXY: list }, host, port) === undefined;

  it.each([
    ['*', 'api.example.com'],
    ['example.com', 'example.com'],
    ['example.com', 'api.example.com'],
    ['.example.com', 'api.example.com'],
    ['.example.com', 'example.com'],
    ['*.example.com', 'API.Example.com'],
    ['a.test, example.com', 'api.example.com'],
    ['a.test example.com', 'api.example.com'],
    ['10.1.2.3', '10.1.2.3'],
    ['10.0.0.0/8', '10.200.0.1'],
    ['fd00::/8', 'fd12::1'],
    ['fd12::1', '[fd12::1]'],
    ['[fd12::1]', 'fd12::1'],
    ['example.com:443', 'api.example.com'],
    ['', 'localhost'],
    ['', 'my.localhost'],
    ['', '127.0.0.9'],
    ['', '::1'],
  ])('"%s" leaves %s alone', (list, host) => {
    expect(isDirect(list, host)).toBe(true);
  });

  it.each([
    ['', 'api.example.com'],
    ['example.com', 'notexample.com'],
    ['example.com', 'example.com.evil.test'],
    ['api.example.com', 'example.com'],
    ['example.com:8443', 'api.example.com'],
    ['10.0.0.0/8', '11.0.0.1'],
    ['10.0.0.0/99', '10.0.0.1'],
    ['10.0.0.0/', '11.0.0.1'],
    ['10.0.0.0/8', 'ten.example.com'],
    ['fd00::/8', 'fe00::1'],
    [':443', 'api.example.com'],
    ['.', 'api.example.com'],
    ['127', '127.evil.test'],
  ])('"%s" does not leave %s alone', (list, host) => {
    expect(isDirect(list, host)).toBe(false);
  });
});
