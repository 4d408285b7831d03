// Everything that a slug is made of, as plain data, so that writing one needs no access to the run.

import type { CheckedPipeline } from '../../manifests/pipeline/manifest.js';
import type { SourceDigests } from '../app/source-digests.js';
import type { Source } from '../app/source.js';
import type { Clock } from '../sdk.js';
import type { LocalStore } from '../store/local-store.js';
import type { DirectoryTable, Layer } from '../trees/tree.js';

export interface FinishedApp {
  readonly appDir: string;
  readonly outDir: string;
  readonly cacheDir: string;
  readonly appId: string;
  /** The app's folder was made for this one run; see `RunRequest.oneTime`. */
  readonly isOneTime: boolean;
  readonly params: CheckedPipeline['params'];
  readonly source: Source;
  readonly sourceDigests: SourceDigests;
  /** Each once, in plan order. */
  readonly layers: readonly Layer[];
  /** By layer: the id of the node that made it. */
  readonly makers: ReadonlyMap<Layer, string>;
  readonly table: DirectoryTable;
  readonly store: LocalStore;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}
