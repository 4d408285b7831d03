// Selects places to attack from the paths that pyflow's process touched.

import { posix } from 'node:path';

export const MOUNTS = {
  app: '/app',
  scratch: '/tmp',
  cache: '/var/cache/pyflow',
  tool: '/opt/pyflow/tools-out',
  given: '/opt/pyflow/given',
} as const;
export type FolderName = keyof typeof MOUNTS;

export interface Place {
  readonly folder: FolderName;
  /** Path relative to the folder. */
  readonly path: string;
  /** Number of the node's command, from 0, after which pyflow touched the place. */
  readonly command: number;
  /** Operations on the place, sorted; `parent` if pyflow only passed through. */
  readonly operations: readonly string[];
}

/** How many of each group of similar places are tried. */
const REPRESENTATIVES = 2;

/**
 * Thousands of files are only looked at, all in the same way. Of similar places (same folder of the node, same command,
 * same operations; for files that a command changed also the same parent and suffix) only the first and the last by
 * name are kept, with all folders above them.
 */
export function placesOf(
  touched: Iterable<Pick<Place, 'folder' | 'path' | 'command'> & { readonly operation: string }>,
  isChanged: (folder: FolderName, path: string) => boolean,
): readonly Place[] {
  const all = new Map<string, Place & { readonly seen: Set<string> }>();
  for (const { folder, path, command, operation } of touched) {
    if (path === '' || folder === 'given') continue;
    const key = `${command} ${folder} ${path}`;
    const place = all.get(key) ?? { folder, path, command, operations: [], seen: new Set<string>() };
    place.seen.add(operation);
    all.set(key, place);
  }
  const alike = new Map<string, Place[]>();
  for (const { seen, ...place } of all.values()) {
    const operations = [...seen].sort();
    const { folder, path, command } = place;
    const kind = isChanged(folder, path) ? `${posix.dirname(path)} ${posix.extname(path)}` : '';
    const key = JSON.stringify([command, folder, operations, kind]);
    alike.set(key, [...(alike.get(key) ?? []), { folder, path, command, operations }]);
  }
  const kept = new Map<string, Place>();
  for (const group of alike.values()) {
    const sorted = group.sort((a, b) => (a.path < b.path ? -1 : 1));
    const chosen = sorted.length <= REPRESENTATIVES ? sorted : [sorted[0], sorted.at(-1)];
    for (const place of chosen) if (place !== undefined) kept.set(keyOf(place), place);
  }
  for (const place of kept.values()) {
    for (let path = posix.dirname(place.path); path !== '.'; path = posix.dirname(path)) {
      const parent = { ...place, path, operations: ['parent'] };
      if (!kept.has(keyOf(parent))) kept.set(keyOf(parent), parent);
    }
  }
  return [...kept.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Operations on every file: pyflow checks it for changes, and removes it in the end. */
const QUIET: ReadonlySet<string> = new Set(['chmod', 'lstat', 'parent', 'rename', 'rmdir', 'unlink']);

/** Whether pyflow does anything else with the place. */
export const isBusy = ({ operations }: Place): boolean => operations.some((operation) => !QUIET.has(operation));

const keyOf = ({ folder, path, command }: Pick<Place, 'folder' | 'path' | 'command'>): string =>
  `${command} ${folder} ${path}`;
