declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http';

  interface Details {
    readonly prompt: { readonly name: string };
    readonly params: Readonly<Record<string, unknown>>;
    readonly session: { readonly accountId: string } | undefined;
  }
  class Provider {
    constructor(issuer: string, configuration: object);
    callback(): RequestListener;
    interactionDetails(request: never, response: never): Promise<Details>;
    interactionFinished(request: never, response: never, result: object): Promise<void>;
    readonly Grant: new (
      properties: never,
    ) => { addOIDCScope(scope: string): void; save(): Promise<string> };
  }

  export = Provider;
}
