// A candidate view over a real folder.

import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import picomatch from 'picomatch';
import type { ViewReader } from '../../src/engine/sdk.js';

export class FolderView implements ViewReader {
  readonly run: ViewReader['run'];

  constructor(
    private readonly root: string,
    private readonly variables: Readonly<Record<string, string>> = {},
    mode: 'build' | 'test' = 'build',
  ) {
    this.run = { mode, appId: 'app' };
  }

  async read(path: string): Promise<Buffer | undefined> {
    const real = join(this.root, path);
    return existsSync(real) && statSync(real).isFile() ? readFileSync(real) : undefined;
  }
  exists(path: string): boolean {
    return lstatSync(join(this.root, path), { throwIfNoEntry: false }) !== undefined;
  }
  kindOf(path: string): 'file' | 'directory' | 'symlink' | undefined {
    const stat = lstatSync(join(this.root, path), { throwIfNoEntry: false });
    if (!stat) return undefined;
    if (stat.isSymbolicLink()) return 'symlink';
    return stat.isDirectory() ? 'directory' : 'file';
  }
  isExecutable(path: string): boolean {
    return ((statSync(join(this.root, path), { throwIfNoEntry: false })?.mode ?? 0) & 0o100) !== 0;
  }
  list(path: string): readonly string[] {
    return this.kindOf(path) === 'directory' ? readdirSync(join(this.root, path)).sort() : [];
  }
  match(pattern: string): readonly string[] {
    const matches = picomatch(pattern, { dot: true });
    return readdirSync(this.root, { recursive: true, encoding: 'utf8' })
      .filter((path) => this.kindOf(path) === 'file' && matches(path))
      .sort();
  }
  env(name: string): string | undefined {
    return this.variables[name];
  }
  envNames(): readonly string[] {
    return Object.keys(this.variables).sort();
  }
  state(): undefined {
    return undefined;
  }
}
