// The folders that nodes work in: private ones of the run, and one per kind that is kept between runs of the app.

import { randomBytes } from 'node:crypto';
import { accessSync, constants, lstatSync, readdirSync, renameSync, unlinkSync } from 'node:fs';
import { readCacheFile } from '../files/cache-file.js';
import { makePrivateFolder } from '../files/private-files.js';
import type { RunDir } from '../files/private-folders.js';
import { removeTree } from '../files/remove-tree.js';
import { publishFile } from '../files/sealed-json.js';

export class NodeFolders {
  readonly #runDir: RunDir;
  readonly #keptDir: string;
  readonly #kept = new Map<string, string>();

  /** `keptDir`: the folder in the cache that is kept for the app. */
  constructor(runDir: RunDir, keptDir: string) {
    this.#runDir = runDir;
    this.#keptDir = keptDir;
  }

  /** A folder in memory, if the machine has a tmpfs. */
  smallDir(): string {
    return this.#runDir.smallDir;
  }

  /** A folder on the disk of the cache. */
  largeDir(): string {
    return this.#runDir.largeDir;
  }

  /**
   * The folder that is kept for the app and kind. If the cache is not writable, a folder of this run only. `builder`: what
   * nodes of the kind leave there can be compiled, so it is of no use to another builder.
   */
  cacheOf(kind: string, builder?: string): string {
    let folder = this.#kept.get(kind);
    if (folder === undefined) {
      const kept = `${this.#keptDir}/${kind}`;
      const isOurs = builder === undefined || this.#leaveTo(builder, kept);
      folder = (isOurs ? this.usable(kept) : undefined) ?? this.#privateCacheOf(kind);
      this.#kept.set(kind, folder);
    }
    return folder;
  }

  /**
   * An empty folder in the place of a kept one that is empty. Nobody else knows it, whereas other runs of the app write to the
   * kept one. Undefined if something is kept already and the folder need not be new. Call `keep` when the node has ended.
   */
  newCacheFor(
    kind: string,
    { builder, mustBeNew }: { readonly builder?: string | undefined; readonly mustBeNew: boolean },
  ): string | undefined {
    if (holdsAny(this.cacheOf(kind, builder)) && !mustBeNew) return undefined;
    const folder = `${this.#runDir.largeDir}/new-cache/${kind}-${randomBytes(4).toString('hex')}`;
    makePrivateFolder(folder);
    return folder;
  }

  /** Keeps the content of a new folder for later runs, unless another node or run was first. */
  keep(kind: string, folder: string): void {
    try {
      // Fails unless the target is still empty.
      renameSync(folder, this.cacheOf(kind));
    } catch {
      // It is only a cache, and the folder goes with the run.
    }
  }

  /** Empties the folder unless this builder filled it. False if that is impossible. */
  #leaveTo(builder: string, folder: string): boolean {
    // Next to the folder, where commands in a sandbox can't write.
    const note = `${folder}.builder`;
    if (readCacheFile(note)?.toString('utf8') === builder) return true;
    return removeTree(folder) === undefined && publishFile(note, builder);
  }

  #privateCacheOf(kind: string): string {
    const folder = `${this.#runDir.largeDir}/cache/${kind}`;
    makePrivateFolder(folder);
    return folder;
  }

  /**
   * Makes the folder if it is missing, and removes anything else that a build put there. Undefined if it is not
   * writable.
   */
  usable(folder: string): string | undefined {
    try {
      if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) unlinkSync(folder);
      makePrivateFolder(folder);
      accessSync(folder, constants.W_OK);
      return folder;
    } catch {
      return undefined;
    }
  }
}

function holdsAny(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch {
    // A new folder can do without it.
    return false;
  }
}
