declare module 'samlp' {
  type Done<T> = (error: unknown, value: T) => void;
  const samlp: {
    parseRequest(request: object, done: Done<never>): void;
    getSamlResponse(config: object, user: object, done: Done<never>): void;
  };
  export = samlp;
}
