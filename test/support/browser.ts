/** An answer a browser got at the end of its redirects, or where it was told to stop. */
export interface Visit {
  readonly status: number;
  readonly url: string;
  readonly text: string;
  readonly headers: Headers;
}

/** A browser with a cookie jar by origin: follows redirects over several sites, sends cookies as `SameSite` allows. */
export class Browser {
  readonly #jars = new Map<string, Map<string, string>>();

  /** Follows redirects; `until` stops before an address is visited and gives it back. */
  async visit(
    address: string,
    options: {
      readonly until?: (url: string) => boolean;
      readonly form?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<Visit> {
    let url = address;
    let form = options.form;
    for (let hop = 0; hop < 20; hop++) {
      const { origin } = new URL(url);
      const answer = await fetch(url, {
        redirect: 'manual',
        method: form === undefined ? 'GET' : 'POST',
        // A form another site posts comes without lax cookies.
        headers:
          form === undefined
            ? { cookie: this.cookies(origin), accept: 'text/html' }
            : { origin: 'http://idp.example' },
        ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
      });
      this.#keep(origin, answer.headers);
      const location = answer.headers.get('location');
      if (location === null)
        return { status: answer.status, url, text: await answer.text(), headers: answer.headers };
      await answer.arrayBuffer();
      url = new URL(location, url).href;
      form = undefined;
      if (options.until?.(url) === true)
        return { status: answer.status, url, text: '', headers: answer.headers };
    }
    throw new Error('too many redirects');
  }

  cookies(origin: string): string {
    return [...(this.#jars.get(origin) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  set(origin: string, name: string, value: string): void {
    const jar = this.#jars.get(origin) ?? new Map<string, string>();
    this.#jars.set(origin, jar);
    jar.set(name, value);
  }

  /** A JSON call of the page at this origin. */
  async call(origin: string, method: string, path: string, body?: unknown) {
    const answer = await fetch(origin + path, {
      method,
      headers: {
        cookie: this.cookies(origin),
        origin,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    this.#keep(origin, answer.headers);
    const text = await answer.text();
    // biome-ignore lint/suspicious/noExplicitAny: tests read whatever came
    const json: any = text === '' ? undefined : JSON.parse(text);
    return { status: answer.status, headers: answer.headers, body: json };
  }

  #keep(origin: string, headers: Headers): void {
    for (const cookie of headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      const at = pair.indexOf('=');
      const name = pair.slice(0, at);
      const gone = /expires=Thu, 01 Jan 1970/i.test(cookie);
      if (gone) this.#jars.get(origin)?.delete(name);
      else this.set(origin, name, pair.slice(at + 1));
    }
  }
}
