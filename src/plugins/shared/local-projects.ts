// Projects inside the app that an installer installs from: their builds leave files among the sources, of which only
// generated code is part of the result. Unaware of the installer.

import type { Folder } from '../../engine/sdk.js';

/** What build backends leave behind. */
const LEFTOVER = /(^|\/)(build|__pycache__|[^/]+\.egg-info|[^/]+\.dist-info|\.eggs)\//;

export class LocalProjects {
  private constructor(
    private readonly app: Folder,
    private readonly folders: readonly string[],
    private readonly skipped: string,
    /** Files, and folders with a slash at the end. */
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
    const folders = made.filter((path) => path.endsWith('/'));
    const files = made.filter((path) => !path.endsWith('/'));
    for (const path of files) if (LEFTOVER.test(path)) this.app.remove(path);
    // Deepest first. One that holds nothing now was made for something that went again.
    for (const folder of folders.sort().toReversed()) this.app.removeEmptyFolder(folder.slice(0, -1));
    return files.filter((path) => !LEFTOVER.test(path)).sort();
  }

  private async list(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const folder of this.folders) {
      const prefix = folder === '.' ? '' : `${folder}/`;
      await this.app.visit(folder, (entry, below) => {
        const path = `${prefix}${below}`;
        if (path === this.skipped) return false;
        if (entry.isDirectory()) found.push(`${path}/`);
        else if (entry.isFile() || entry.isSymbolicLink()) found.push(path);
        return true;
      });
    }
    return found;
  }
}
