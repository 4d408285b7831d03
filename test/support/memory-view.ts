// A candidate view from a record of paths and contents. Follows symbolic links only inside the app, like the real view.

import { posix } from 'node:path';
import picomatch from 'picomatch';
import type { JSONValue, ViewReader } from '../../src/engine/sdk.js';

export interface MemoryViewOptions {
  readonly state?: Readonly<Record<string, JSONValue>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly executables?: readonly string[];
  /** Path -> target. */
  readonly links?: Readonly<Record<string, string>>;
  readonly mode?: 'build' | 'test';
}

/** Paths in `files` are relative to the app. Their folders exist too. */
export function memoryView(
  files: Readonly<Record<string, string | Uint8Array>> = {},
  { state = {}, env = {}, executables = [], links = {}, mode = 'build' }: MemoryViewOptions = {},
): ViewReader {
  const contents = new Map(Object.entries(files));
  const targets = new Map(Object.entries(links));
  const folders = new Map<string, Set<string>>([['', new Set()]]);
  for (const path of [...contents.keys(), ...targets.keys()]) {
    const parts = path.split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const parent = parts.slice(0, depth - 1).join('/');
      if (!folders.has(parent)) folders.set(parent, new Set());
      folders.get(parent)?.add(parts[depth - 1] ?? '');
    }
  }
  const resolve = (path: string): string => {
    let current = clean(path);
    for (let hops = 0; hops < 40; hops++) {
      const target = targets.get(current);
      if (target === undefined) break;
      current = clean(posix.join(posix.dirname(current), target));
    }
    return current;
  };
  return {
    async read(path) {
      const content = contents.get(resolve(path));
      return typeof content === 'string' ? Buffer.from(content) : content && Buffer.from(content);
    },
    exists: (path) => contents.has(resolve(path)) || folders.has(resolve(path)),
    kindOf(path) {
      const name = clean(path);
      if (targets.has(name)) return 'symlink';
      if (contents.has(name)) return 'file';
      return folders.has(name) ? 'directory' : undefined;
    },
    isExecutable: (path) => executables.includes(resolve(path)),
    list: (path) => [...(folders.get(clean(path)) ?? [])].sort(),
    match: (pattern) => [...contents.keys()].filter((path) => picomatch.isMatch(path, pattern, { dot: true })).sort(),
    env: (name) => env[name],
    envNames: () => Object.keys(env).sort(),
    state: (name) => state[name],
    run: { mode, appId: 'app' },
  };
}

const clean = (path: string): string => posix.normalize(path).replace(/^\.?\/?$|\/$/, '');
