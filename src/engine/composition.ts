// What the engine needs from outside: kinds, plugins, facts of the machine. src/composition.ts implements it.

import type { KnownKind } from '../manifests/plugin-manifest.js';
import type { Failure, Result } from './failure.js';
import type { AnyPlugin, Clock, Host } from './sdk.js';

export interface Composition {
  readonly clock: Clock;
  readonly host: Host;
  /** Contains /usr and /var of the builder: empty for this machine. Tests describe another one. */
  readonly builderRoot: string;
  /**
   * SHA-256 in hex over the manifests of all shipped kinds. A checked pipeline is stored under a name that contains it.
   */
  readonly kindsDigest: string;
  /** Shipped kinds, and those of the given outside plugin files (absolute paths). */
  kinds(pluginFiles: readonly string[]): Promise<Result<ReadonlyMap<string, KnownKind>, Failure>>;
  /** The plugin of a kind, with its services injected. */
  plugin(kind: string): Promise<AnyPlugin>;
  /** Ends the processes of outside plugins. */
  close(): void;
}

export interface ComposeOptions {
  readonly cacheDir: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** Builds the container. Called as late as possible, because an up-to-date run needs no container. */
export type Compose = (options: ComposeOptions) => Promise<Composition>;

/** Calls `use`, then closes every composition that it made, also if it throws. */
export async function closing<T>(compose: Compose, use: (compose: Compose) => Promise<T>): Promise<T> {
  const composed: Composition[] = [];
  try {
    return await use(async (options) => {
      const composition = await compose(options);
      composed.push(composition);
      return composition;
    });
  } finally {
    for (const composition of composed) composition.close();
  }
}
