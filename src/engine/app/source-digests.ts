// Digests of the source's files as the run read them: each file is digested once, when something first needs it.

import { lstatSync } from 'node:fs';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import type { Digest } from '../files/digest.js';
import { digestFileSync, type StatCache } from '../files/file-digest.js';
import { shownPath } from '../files/shown-path.js';

export class SourceDigests {
  readonly #known = new Map<string, Digest>();

  constructor(
    /** Absolute. */
    readonly directory: string,
    readonly statCache: StatCache,
  ) {}

  /** Of the bytes that this run read. */
  get known(): ReadonlyMap<string, Digest> {
    return this.#known;
  }

  of(path: string): Result<Digest, Failure> {
    const known = this.#known.get(path);
    if (known !== undefined) return succeed(known);
    const absolute = `${this.directory}/${path}`;
    try {
      const digest = digestFileSync(absolute, lstatSync(absolute, { bigint: true }), this.statCache);
      this.#known.set(path, digest);
      return succeed(digest);
    } catch (error) {
      return fail({
        code: 'app::unreadable-file',
        blame: 'app',
        title: `pyflow can't read a file of the app: ${shownPath(path)}`,
        detail: (error as Error).message,
        remedy: 'Make the file readable for the user who runs pyflow, and do not change the app during the build.',
      });
    }
  }
}

export const changedDuringRun = (path: string): Failure => ({
  code: 'app::changed-during-run',
  blame: 'environment',
  title: `A file of the app changed during the build: ${shownPath(path)}`,
  detail: 'Its content no longer matches the digest that pyflow made keys from.',
  remedy: 'Run again, and do not change the app during the build.',
});
