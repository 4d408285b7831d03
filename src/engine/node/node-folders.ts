// The folders of a run that nodes work in: its private ones, and one for each kind that is kept between runs of the app.

import { accessSync, constants, lstatSync, unlinkSync } from 'node:fs';
import { makePrivateFolder } from '../files/private-files.js';
import type { RunDir } from '../files/private-folders.js';

export class NodeFolders {
  readonly #runDir: RunDir;
  readonly #keptDir: string;
  readonly #kept = new Map<string, string>();

  /** `keptDir`: of the app, in the cache. */
  constructor(runDir: RunDir, keptDir: string) {
    this.#runDir = runDir;
    this.#keptDir = keptDir;
  }

  /** In memory where the machine has a tmpfs. */
  smallDir(): string {
    return this.#runDir.smallDir;
  }

  /** On the disk of the cache. */
  largeDir(): string {
    return this.#runDir.largeDir;
  }

  /** Kept between runs, per app and kind; private to this run where the cache cannot be written. */
  cacheOf(kind: string): string {
    let folder = this.#kept.get(kind);
    if (folder === undefined) {
      folder = this.usable(`${this.#keptDir}/${kind}`) ?? this.#privateCacheOf(kind);
      this.#kept.set(kind, folder);
    }
    return folder;
  }

  #privateCacheOf(kind: string): string {
    const folder = `${this.#runDir.largeDir}/cache/${kind}`;
    makePrivateFolder(folder);
    return folder;
  }

  /** The folder, made if need be; undefined when it cannot be written. What a build put in its place is removed. */
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
