// The reader of the app that a node's `reads` gets. It follows all links in paths.

import { readFile } from 'node:fs/promises';
import type { JSONValue } from '../../manifests/json-schema.js';
import type { ViewReader } from '../sdk.js';
import type { BlobStore } from '../trees/blob-store.js';
import type { AppVariables } from './app-variables.js';
import { followLinks, type LinkProblem } from './links.js';
import { escapeGlob, normalize, splitPattern, type RunFiles } from './run-files.js';

export interface ViewSurroundings {
  readonly blobs: BlobStore;
  readonly variables: AppVariables;
  readonly state: Readonly<Record<string, JSONValue>>;
  readonly mode: 'build' | 'test';
  readonly appId: string;
}

/** Links that a plugin met and that can't be followed. */
export interface MetLinks {
  /** In the path of a file that it read. */
  readonly read: LinkProblem[];
  /** In a path that it only looked for. */
  readonly lookedFor: LinkProblem[];
}

/** `lookedUp` collects the names of variables that `reads` looks up. */
export function viewReader(
  files: RunFiles,
  node: number,
  around: ViewSurroundings,
  lookedUp?: Set<string>,
  met?: MetLinks,
): ViewReader {
  const resolve = (path: string, problems: LinkProblem[] | undefined): ReturnType<typeof followLinks>['end'] => {
    const inside = normalize(path);
    const found = inside === undefined ? undefined : followLinks(files, node, inside);
    if (found?.problem !== undefined) problems?.push(found.problem);
    return found?.end;
  };
  /** The path with all links in its folder followed, but not its last part. */
  const place = (path: string): string => {
    const inside = normalize(path);
    const slash = inside?.lastIndexOf('/') ?? -1;
    if (inside === undefined || slash < 0 || files.winner(node, inside) !== undefined) return inside ?? '..';
    const folder = followLinks(files, node, inside.slice(0, slash)).end?.path;
    return folder === undefined ? inside : join(folder, inside.slice(slash + 1));
  };
  return {
    run: { mode: around.mode, appId: around.appId },
    async read(path) {
      const found = resolve(path, met?.read);
      if (found?.winner.entry.type !== 'file') return undefined;
      if ('source' in found.winner.entry) return readFile(`${files.source.directory}/${found.path}`);
      return around.blobs.read(found.winner.entry.digest);
    },
    exists: (path) => resolve(path, met?.lookedFor) !== undefined,
    kindOf: (path) => files.winner(node, place(path))?.entry.type as ReturnType<ViewReader['kindOf']>,
    isExecutable: (path) => {
      const entry = resolve(path, met?.lookedFor)?.winner.entry;
      return entry?.type === 'file' && entry.executable;
    },
    list: (path) => files.list(node, resolve(path, undefined)?.path ?? normalize(path) ?? '..'),
    match(pattern) {
      const { base, rest } = splitPattern(pattern);
      const found = rest === '' ? undefined : followLinks(files, node, base);
      if (found === undefined || found.links.length === 0) return files.match(node, pattern);
      if (found.end?.winner.entry.type !== 'directory') return [];
      const real = found.end.path;
      const names = files.match(node, join(escapeGlob(real), rest));
      return names.map((path) => join(base, real === '' ? path : path.slice(real.length + 1)));
    },
    env(name) {
      lookedUp?.add(name);
      return around.variables[name];
    },
    envNames: () => Object.keys(around.variables).sort(),
    state: (name) => around.state[name],
  };
}

const join = (folder: string, path: string): string => (folder === '' ? path : `${folder}/${path}`);
