// Projects inside the app that an installer installs from: their builds leave files among the sources, of which only
// generated code is part of the result. Unaware of the installer.

import { posix } from 'node:path';
import type { Folder } from '../../engine/sdk.js';

/** What build backends leave behind. */
const LEFTOVER = /(^|\/)(build|__pycache__|[^/]+\.egg-info|[^/]+\.dist-info|\.eggs)\//;

export class LocalProjects {
  private constructor(
    private readonly app: Folder,
    private readonly folders: readonly string[],
    private readonly skipped: string,
    private readonly before: ReadonlySet<string>,
  ) {}

  /** `skipped`: a folder that is not looked at. Paths are app-relative. */
  static async look(app: Folder, folders: readonly string[], skipped: string): Promise<LocalProjects> {
    // A project may be named by a link to its folder.
    const real = [...new Set(folders.map((folder) => (folder === '.' ? folder : (app.resolve(folder) ?? folder))))];
    const projects = new LocalProjects(app, real, skipped, new Set());
    return new LocalProjects(app, real, skipped, new Set(await projects.list()));
  }

  /** Removes leftovers that were not there before. What else is new, code that was generated, stays and is named. */
  async clean(): Promise<readonly string[]> {
    const made = (await this.list()).filter((path) => !this.before.has(path));
    const left = made.filter((path) => LEFTOVER.test(path));
    for (const path of left) this.app.remove(path);
    for (const folder of new Set(left.map((path) => posix.dirname(path)))) this.dropEmpty(folder);
    return made.filter((path) => !LEFTOVER.test(path));
  }

  /** The folder and those above it, as far as they are leftovers and empty. */
  private dropEmpty(folder: string): void {
    for (let path = folder; LEFTOVER.test(`${path}/`); path = posix.dirname(path)) {
      if (!this.app.removeEmptyFolder(path)) return;
    }
  }

  private async list(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const folder of this.folders) {
      const prefix = folder === '.' ? '' : `${folder}/`;
      const files = await this.app.walk(folder, (path) => `${prefix}${path}` !== this.skipped);
      for (const { path } of files) found.push(`${prefix}${path}`);
    }
    return found;
  }
}
