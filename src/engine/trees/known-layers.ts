// The layers of a run. Each is loaded from the store once, and one table holds the directories of all.

import type { Digest } from '../files/digest.js';
import type { BlobStore } from './blob-store.js';
import { EMPTY_DIRECTORY } from './directories.js';
import { applyLayers, loadLayer } from './layers.js';
import type { DirectoryTable, Layer, Tree } from './tree.js';

export class KnownLayers {
  readonly table: DirectoryTable = new Map();
  readonly #known = new Map<string, Layer>();

  constructor(readonly store: BlobStore) {}

  /** Adds a layer whose directories are already in the table. */
  add(layer: Layer): void {
    this.#known.set(layer.digest, layer);
  }

  addDirectories({ directories }: Tree): void {
    for (const [digest, directory] of directories) this.table.set(digest, directory);
  }

  /** Undefined if the store has lost the layer. */
  async load(digest: Digest): Promise<Layer | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const layer = await loadLayer(this.store, digest, this.table);
    if (layer !== undefined) this.add(layer);
    return layer;
  }

  /** Root directory of a tree made from layers, base first. */
  rootOf(layers: readonly Layer[]): Digest {
    return applyLayers(this.table, EMPTY_DIRECTORY, layers);
  }
}
