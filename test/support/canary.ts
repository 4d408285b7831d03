// Searches for a secret in any spelling: in files, in texts, and in the command lines of processes.

import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Matcher, START, type Progress } from '../../src/engine/secrets/matcher.js';
import { SPELLINGS } from './secret-spellings.js';

export class Canary {
  readonly #matcher: Matcher;
  /** Also searched by plain comparison, so that a bug in the matcher is noticed. */
  readonly #texts: readonly Buffer[];
  /** Stats of files without the secret, so that searching a folder again is quick. */
  readonly #clean = new Map<string, string>();

  constructor(readonly values: readonly string[]) {
    this.#matcher = new Matcher(values.map((value, secret) => ({ secret, value })));
    this.#texts = values.flatMap((value) =>
      ['raw', 'json', 'url, every sign', 'base64', 'hex'].map((name) => Buffer.from(SPELLINGS[name]!(value))),
    );
  }

  isIn(content: string | Buffer): boolean {
    const bytes = Buffer.from(content);
    return this.#matcher.scan(bytes).hits !== undefined || this.#texts.some((text) => bytes.includes(text));
  }

  /** Paths, relative to the folders, whose name, content or link target contains the secret. */
  filesBelow(folder: string, skip: (path: string) => boolean = () => false): readonly string[] {
    const found: string[] = [];
    const visit = (path: string): void => {
      if (skip(path)) return;
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) return;
      const name = relative(folder, path);
      if (this.isIn(name)) found.push(name);
      if (stats.isSymbolicLink() && this.isIn(readlinkSync(path))) found.push(name);
      const state = `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
      if (stats.isFile() && this.#clean.get(path) !== state) {
        if (this.#isInFile(path)) found.push(name);
        else this.#clean.set(path, state);
      }
      if (stats.isDirectory()) for (const child of readdirSync(path)) visit(join(path, child));
    };
    visit(folder);
    return found;
  }

  #isInFile(path: string): boolean {
    const file = openSync(path, 'r');
    const chunk = Buffer.alloc(1024 * 1024);
    let progress: Progress = START;
    try {
      for (;;) {
        const length = readSync(file, chunk);
        if (length === 0) return false;
        const bytes = chunk.subarray(0, length);
        const scanned = this.#matcher.scan(bytes, progress);
        if (scanned.hits !== undefined || this.#texts.some((text) => bytes.includes(text))) return true;
        progress = scanned.progress;
      }
    } finally {
      closeSync(file);
    }
  }

  /** Watches all command lines of the machine until stopped; returns those that contain the secret. */
  watchCommandLines(): { stop(): readonly string[] } {
    const found = new Set<string>();
    const look = (): void => {
      for (const name of readdirSync('/proc')) {
        if (!/^\d+$/.test(name)) continue;
        try {
          const line = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ');
          if (line.length >= 8 && this.isIn(line)) found.add(line);
        } catch {
          // The process has ended meanwhile.
        }
      }
    };
    const timer = setInterval(look, 10);
    return {
      stop() {
        clearInterval(timer);
        return [...found];
      },
    };
  }
}
