// The layers of a run. The directories of each are loaded from the store once, and one table holds those of all.

import type { Digest } from '../files/digest.js';
import type { BlobStore } from './blob-store.js';
import { EMPTY_DIRECTORY } from './directories.js';
import { applyLayers, loadLayer } from './layers.js';
import type { DirectoryTable, Layer, Tree } from './tree.js';

export class KnownLayers {
  readonly table: DirectoryTable = new Map();
  readonly #known = new Map<string, Layer>();

  constructor(readonly store: BlobStore) {}

  /** From here on, `find` knows the layer. Its directories are loaded when something needs them. */
  add(layer: Layer): void {
    this.#known.set(layer.digest, layer);
  }

  addDirectories({ directories }: Tree): void {
    for (const [digest, directory] of directories) this.table.set(digest, directory);
  }

  /** Loads the layer's directories, and adds it. False if the store has lost them. */
  async load(layer: Layer): Promise<boolean> {
    // The table never holds a directory without those below it.
    const isLoaded = this.table.has(layer.root) || (await loadLayer(this.store, layer, this.table));
    if (isLoaded) this.add(layer);
    return isLoaded;
  }

  /** A layer of this run, with its directories loaded. Undefined if the store has lost them, or nothing added the layer. */
  async find(digest: Digest): Promise<Layer | undefined> {
    const layer = this.#known.get(digest);
    return layer !== undefined && (await this.load(layer)) ? layer : undefined;
  }

  /** Root directory of a tree made from layers, base first. */
  rootOf(layers: readonly Layer[]): Digest {
    return applyLayers(this.table, EMPTY_DIRECTORY, layers);
  }
}
