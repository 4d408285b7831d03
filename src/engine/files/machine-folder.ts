// A folder of the machine itself, an installed Python for example: for reading, with links followed, without blocking.

import { closeSync, constants, fstatSync, openSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { kindOf } from './entry-kind.js';
import type { FolderEntry, WalkedEntry } from './folder.js';
import { OpenFile } from './open-file.js';

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
/** Far more than any interpreter has. */
const MOST_ENTRIES = 1_000_000;

export class MachineFolder {
  constructor(readonly path: string) {}

  /** Sorted; empty if the folder doesn't exist or is unreadable. */
  names(path = ''): readonly string[] {
    return this.list(path).map(({ name }) => name);
  }

  private list(path: string): readonly FolderEntry[] {
    try {
      return readdirSync(this.at(path), { withFileTypes: true })
        .map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch {
      return [];
    }
  }

  /** Files and links below the folder, sorted. Does not enter linked folders, or those for which `enter` returns false. */
  walk(enter: (path: string) => boolean = () => true): readonly WalkedEntry[] {
    const found: WalkedEntry[] = [];
    const folders = [''];
    for (let folder = folders.pop(); folder !== undefined && found.length < MOST_ENTRIES; folder = folders.pop()) {
      for (const { name, kind } of this.list(folder)) {
        const path = folder === '' ? name : `${folder}/${name}`;
        if (kind === 'file' || kind === 'symlink') found.push({ path, kind });
        else if (kind === 'directory' && enter(path)) folders.push(path);
      }
    }
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  readLink(path: string): string | undefined {
    try {
      return readlinkSync(this.at(path));
    } catch {
      return undefined;
    }
  }

  /** The path with all links resolved; undefined if it doesn't exist. */
  realPath(path = ''): string | undefined {
    try {
      return realpathSync(this.at(path));
    } catch {
      return undefined;
    }
  }

  isFile(path = ''): boolean {
    try {
      return statSync(this.at(path)).isFile();
    } catch {
      return false;
    }
  }

  /** Undefined if the path, with links followed, is not a regular file. Closes the file when `use` returns. */
  withFile<T>(path: string, use: (file: OpenFile) => T): T | undefined {
    if (!this.isFile(path)) return undefined;
    const fd = openSync(this.at(path), FLAGS);
    try {
      const stats = fstatSync(fd);
      return stats.isFile() ? use(new OpenFile(fd, this.at(path), stats.size, stats.mode & 0o7777)) : undefined;
    } finally {
      closeSync(fd);
    }
  }

  private at(path: string): string {
    return path === '' ? this.path : `${this.path}/${path}`;
  }
}
