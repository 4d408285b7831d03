// Cleans the folder that a node keeps between runs: removes files in which its commands left a secret when the node ends,
// and those of a killed run at the end of the next one.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { giveChunk, takeChunk } from '../files/chunks.js';
import { FailureError } from '../failure.js';
import { Folder } from '../files/folder.js';
import type { OpenFile } from '../files/open-file.js';
import { removeTree } from '../files/remove-tree.js';
import { Breather } from '../files/new-files.js';
import type { OutputScanner } from './output-scanner.js';

/** Clocks of file systems are coarse. */
const SLACK_MS = 2000;

export class KeptFolder {
  readonly #since: number;
  /** Next to the folder, where commands in a sandbox can't write: the time since which files may contain a secret. */
  readonly #note: string;

  constructor(
    private readonly folder: string,
    private readonly scanner: OutputScanner,
  ) {
    this.#note = `${folder}.since`;
    this.#since = Math.min(Date.now(), this.#noted()) - SLACK_MS;
    if (scanner.isActive) this.#write();
  }

  #write(): void {
    try {
      writeFileSync(this.#note, String(this.#since + SLACK_MS), { mode: 0o600 });
    } catch {
      // It matters only if this run is killed.
    }
  }

  #noted(): number {
    try {
      const noted = Number(readFileSync(this.#note, 'utf8'));
      return noted > 0 ? noted : Number.POSITIVE_INFINITY;
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }

  /** Call it after the last process of the node. Never throws: a folder that can't be scanned is emptied, since it is only a cache. */
  async clean(): Promise<void> {
    if (!this.scanner.isActive) return;
    try {
      const folder = new Folder(this.folder, 'the cache folder of the node');
      const breather = new Breather();
      for (const path of await this.#changed(folder)) {
        if (await this.#holdsSecret(folder, path)) folder.remove(path);
        await breather.pause();
      }
    } catch {
      removeTree(this.folder);
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    }
    rmSync(this.#note, { force: true });
  }

  async #changed(folder: Folder): Promise<readonly string[]> {
    const found: string[] = [];
    await folder.visit('', (entry, path, parent) => {
      const stats = entry.isDirectory() ? undefined : parent.stat(entry.name);
      if (stats !== undefined && stats.ctimeMs >= this.#since) found.push(path);
      return true;
    });
    return found;
  }

  async #holdsSecret(folder: Folder, path: string): Promise<boolean> {
    try {
      const kind = folder.kindOf(path);
      this.scanner.entry(path, kind === 'symlink' ? folder.readLink(path) : undefined);
      const watch = kind === 'file' ? this.scanner.file(path) : undefined;
      if (watch !== undefined) await folder.withFileOpen(path, async (file) => readAll(file, watch()));
      return false;
    } catch (error) {
      if (error instanceof FailureError) return true;
      throw error;
    }
  }
}

function readAll(file: OpenFile, see: (bytes: Uint8Array) => void): void {
  const chunk = takeChunk();
  try {
    for (let at = 0; at < file.size;) {
      const length = file.read(chunk, 0, chunk.length, at);
      if (length === 0) return;
      see(chunk.subarray(0, length));
      at += length;
    }
  } finally {
    giveChunk(chunk);
  }
}
