// Cleans up projects inside the app after their builds, which write files next to the sources. Only generated code is part of
// the result.

import type { Folder } from '../../../engine/sdk.js';
import { strip } from './package-layer.js';

/** Folders that build backends leave behind. */
const LEFTOVER = /(^|\/)(build|__pycache__|[^/]+\.egg-info|[^/]+\.dist-info|\.eggs)\//;

const EXTENSION = /\.so(\.[\d.]+)?$/;

export class LocalProjects {
  private constructor(
    private readonly app: Folder,
    private readonly folders: readonly string[],
    private readonly skipped: string,
    /** Files, and folders with a slash at the end. */
    private readonly before: ReadonlySet<string>,
  ) {}

  /** `skipped`: a folder to leave out. Paths are app-relative. */
  static async look(app: Folder, folders: readonly string[], skipped: string): Promise<LocalProjects> {
    // The path of a project may be a link to its folder.
    const real = [...new Set(folders.map((folder) => (folder === '.' ? folder : (app.resolve(folder) ?? folder))))];
    const projects = new LocalProjects(app, real, skipped, new Set());
    return new LocalProjects(app, real, skipped, new Set(await projects.list()));
  }

  /** Removes new leftovers. Other new files are generated code: they stay, and their paths are returned. */
  async clean(): Promise<readonly string[]> {
    const made = (await this.list()).filter((path) => !this.before.has(path));
    const folders = made.filter((path) => path.endsWith('/'));
    const files = made.filter((path) => !path.endsWith('/'));
    for (const path of files) if (LEFTOVER.test(path)) this.app.remove(path);
    // Deepest first. A new folder that is empty now contained only leftovers.
    for (const folder of folders.sort().toReversed()) this.app.removeEmptyFolder(folder.slice(0, -1));
    const generated = files.filter((path) => !LEFTOVER.test(path)).sort();
    // As in site-packages, because debug sections contain the path of the build folder.
    for (const path of generated) if (EXTENSION.test(path)) await strip(this.app, path);
    return generated;
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
