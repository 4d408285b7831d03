// What tests need of a server that holds a remote cache, whatever program it is.

import type { Context } from 'mocha';

export interface CacheServer {
  readonly url: string;
  /** Addresses of the sockets at which it listens as well. */
  readonly socketUrls: readonly string[];
  readonly address: { readonly host: string; readonly port: number };
  /** Everything that it stores. */
  readonly folder: string;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again with the same content, at the same port. */
  resume(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export interface CacheServerKind {
  readonly name: string;
  /** Skips the suite where it can't run. */
  need(mocha: Context): void;
  start(): Promise<CacheServer>;
}
