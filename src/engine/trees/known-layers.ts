// The layers of a run: each loaded from the store once, with the directories of all of them in one table.

import type { Digest } from '../files/digest.js';
import type { BlobStore } from './blob-store.js';
import { EMPTY_DIRECTORY } from './directories.js';
import { applyLayers, loadLayer } from './layers.js';
import type { DirectoryTable, Layer, Tree } from './tree.js';

export class KnownLayers {
  readonly table: DirectoryTable = new Map();
  readonly #known = new Map<string, Layer>();

  constructor(readonly store: BlobStore) {}

  /** Makes a layer known whose directories are in the table. */
  add(layer: Layer): void {
    this.#known.set(layer.digest, layer);
  }

  addDirectories({ directories }: Tree): void {
    for (const [digest, directory] of directories) this.table.set(digest, directory);
  }

  /** Undefined when the store has lost it. */
  async load(digest: Digest): Promise<Layer | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const layer = await loadLayer(this.store, digest, this.table);
    if (layer !== undefined) this.add(layer);
    return layer;
  }

  /** Root directory of some layers put over each other. */
  rootOf(layers: readonly Layer[]): Digest {
    return applyLayers(this.table, EMPTY_DIRECTORY, layers);
  }
}
