// What the engine needs of whoever composes it: kinds, plugins, the machine. Implemented by src/composition.ts.

import type { KnownKind } from '../manifests/plugin-manifest.js';
import type { Failure, Result } from './failure.js';
import type { AnyPlugin, Clock, Host } from './sdk.js';

export interface Composition {
  readonly clock: Clock;
  readonly host: Host;
  /** Digest over version and manifests of all shipped kinds; part of a compiled plan's name. */
  readonly kindsDigest: string;
  /** Shipped kinds and those of the given outside plugin files (absolute paths). */
  kinds(pluginFiles: readonly string[]): Promise<Result<ReadonlyMap<string, KnownKind>, Failure>>;
  /** The plugin of a kind, injected. */
  plugin(kind: string): Promise<AnyPlugin>;
  /** Ends the processes of outside plugins. */
  close(): void;
}

export interface ComposeOptions {
  readonly cacheDir: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** Builds the container when first called; nothing at start-up needs it. */
export type Compose = (options: ComposeOptions) => Promise<Composition>;

/** Closes what `use` had composed, however `use` ends. */
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
