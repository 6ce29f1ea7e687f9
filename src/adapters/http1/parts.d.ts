// The part of undici that opens connections. Its index brings fetch, web sockets, caches and mocks along: a megabyte of program
// that is read at every start.
declare module 'undici/lib/core/connect.js' {
  import type { Socket } from 'node:net';
  import type { buildConnector } from 'undici';

  /** Its connectors return the socket that they open, which undici's types keep to themselves. */
  function build(
    options: buildConnector.BuildOptions,
  ): (options: buildConnector.Options, callback: buildConnector.Callback) => Socket;
  export = build;
}
