// All files of a run as nodes see them: the source with the layers of their ancestors on top.

import { plainBaseOf, withoutEscapes } from '../../manifests/path-pattern.js';
import type { Digest } from '../files/digest.js';
import type { Permissions } from '../files/modes.js';
import { namesByFolder } from '../files/names-by-folder.js';
import { matcherOf } from '../files/pattern.js';
import type { Layer } from '../trees/tree.js';
import type { Source } from './source.js';

/** One path of a layer. */
export type LayerEntry =
  | ({ readonly type: 'file'; readonly digest: Digest } & Permissions)
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'directory'; readonly mode?: number }
  | { readonly type: 'deleted' };

/** The entry that one node sees at a path. `writer`: index of the node whose layer it comes from; -1 for the source. */
export interface Winner {
  readonly writer: number;
  readonly entry: LayerEntry | ({ readonly type: 'file'; readonly source: true } & Permissions);
}

/** What a node has looked at so far. */
interface Looks {
  /** Paths, and patterns with the prefix `glob:`. */
  readonly paths: Set<string>;
  /** Positions of the nodes from whose layers it has seen a file or a name. */
  readonly writers: Set<number>;
}

type AncestorsOf = (node: number) => { has(node: number): boolean };

const SOURCE = -1;

/** All files of a run so far. Nodes are identified by their position in the plan. */
export class RunFiles {
  readonly source: Source;
  /** Path -> the layers that touch it, by ascending position. */
  readonly #writers = new Map<string, { readonly node: number; readonly entry: LayerEntry }[]>();
  /** Folder -> names that layers put into it, for listings. */
  readonly #layerChildren = new Map<string, Set<string>>();
  #sourceNames: ReadonlyMap<string, readonly string[]> | undefined;
  /** A layer deletes something, or replaces a folder with a file or link, so entries below it are gone. */
  #hidesFolders = false;
  #sourceLinks: readonly string[] | undefined;
  readonly #layerLinks = new Set<string>();
  readonly #looks = new Map<number, Looks>();

  constructor(
    source: Source,
    readonly ancestorsOf: AncestorsOf,
  ) {
    this.source = source;
  }

  /** Makes the layer of a finished node visible to its descendants. */
  addLayer(node: number, layer: Layer, entries: Iterable<readonly [string, LayerEntry]>): void {
    for (const [path, entry] of entries) this.#addEntry(node, path, entry);
    for (const path of layer.deleted) {
      this.#hidesFolders = true;
      this.#addEntry(node, path, { type: 'deleted' });
    }
  }

  #addEntry(node: number, path: string, entry: LayerEntry): void {
    if (entry.type === 'symlink') this.#layerLinks.add(path);
    if (entry.type !== 'directory') {
      this.#hidesFolders ||= this.#layerChildren.has(path) || this.source.entries.get(path)?.type === 'directory';
    }
    const writers = this.#writers.get(path);
    if (writers === undefined) {
      this.#writers.set(path, [{ node, entry }]);
      const slash = path.lastIndexOf('/');
      const parent = slash < 0 ? '' : path.slice(0, slash);
      const children = this.#layerChildren.get(parent);
      if (children === undefined) this.#layerChildren.set(parent, new Set([path.slice(slash + 1)]));
      else children.add(path.slice(slash + 1));
      return;
    }
    let index = writers.length;
    while (index > 0 && writers[index - 1]!.node > node) index--;
    writers.splice(index, 0, { node, entry });
  }

  /** Paths and patterns that a node looked at; undefined if its `reads` was not called. */
  looksOf(node: number): ReadonlySet<string> | undefined {
    return this.#looks.get(node)?.paths;
  }

  /** Positions of the nodes from whose layers a node has seen a file or a name; undefined if its `reads` was not called. */
  writersSeenBy(node: number): ReadonlySet<number> | undefined {
    return this.#looks.get(node)?.writers;
  }

  /** Call it before `reads`, also for a node that then looks at nothing. */
  beginLooks(node: number): void {
    this.#looks.set(node, { paths: new Set(), writers: new Set() });
  }

  /** What `node` finds at `path`; undefined if nothing. */
  winner(node: number, path: string): Winner | undefined {
    const looks = this.#looks.get(node);
    looks?.paths.add(path);
    return this.#seenAt(node, path, looks);
  }

  #seenAt(node: number, path: string, looks: Looks | undefined): Winner | undefined {
    const winner = this.#winnerOf(node, path);
    if (winner !== undefined && winner.writer !== SOURCE) looks?.writers.add(winner.writer);
    return winner;
  }

  #winnerOf(node: number, path: string): Winner | undefined {
    const own = this.#lastWriter(node, path);
    if (this.#hidesFolders) {
      for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
        const above = this.#lastWriter(node, path.slice(0, slash));
        if (above === undefined || above.entry.type === 'directory') continue;
        if (above.node > (own?.node ?? SOURCE)) return undefined;
      }
    }
    if (own !== undefined) return own.entry.type === 'deleted' ? undefined : { writer: own.node, entry: own.entry };
    const entry = this.source.entries.get(path);
    if (entry === undefined) return undefined;
    if (entry.type === 'file') {
      const { executable, mode } = entry;
      const permissions = mode === undefined ? { executable } : { executable, mode };
      return { writer: SOURCE, entry: { type: 'file', ...permissions, source: true } };
    }
    return { writer: SOURCE, entry: entry.type === 'symlink' ? entry : { type: 'directory' } };
  }

  #lastWriter(node: number, path: string): { readonly node: number; readonly entry: LayerEntry } | undefined {
    const writers = this.#writers.get(path);
    if (writers === undefined) return undefined;
    const ancestors = this.ancestorsOf(node);
    for (let index = writers.length - 1; index >= 0; index--) {
      const writer = writers[index]!;
      if (writer.node < node && ancestors.has(writer.node)) return writer;
    }
    return undefined;
  }

  /** The mode that the source or a layer gave a folder; undefined if none did. */
  folderMode(node: number, path: string): number | undefined {
    const ancestors = this.ancestorsOf(node);
    for (const { node: writer, entry } of (this.#writers.get(path) ?? []).toReversed()) {
      if (writer >= node || !ancestors.has(writer)) continue;
      if (entry.type !== 'directory') return undefined;
      if (entry.mode !== undefined) return entry.mode;
    }
    const entry = this.source.entries.get(path);
    return entry?.type === 'directory' ? entry.mode : undefined;
  }

  /** Symbolic links of the source and of all layers, visible or not. */
  *linkPaths(): Generator<string> {
    const known = this.#sourceLinks;
    const links = known ?? [...this.source.entries].flatMap(([path, { type }]) => (type === 'symlink' ? [path] : []));
    this.#sourceLinks = links;
    yield* links;
    yield* this.#layerLinks;
  }

  /** Notes that the paths that match this pattern matter to the node. */
  noteGlob(node: number, pattern: string): void {
    this.#looks.get(node)?.paths.add(`${GLOB}${pattern}`);
  }

  /**
   * Files and symbolic links that match a pattern for `node`, sorted. A pattern that names a folder means everything in it.
   * Links are not followed.
   */
  match(node: number, pattern: string): readonly string[] {
    const { base, rest } = splitPattern(pattern);
    if (rest === '') {
      const winner = this.winner(node, base);
      if (winner === undefined) return [];
      return winner.entry.type === 'directory' ? this.match(node, `${escapeGlob(base)}/**`) : [base];
    }
    this.noteGlob(node, pattern);
    const isMatch = matcherOf(pattern);
    const prefix = base === '' ? '' : `${base}/`;
    const found = new Set<string>();
    const looks = this.#looks.get(node);
    const consider = (path: string): void => {
      if (!path.startsWith(prefix) || found.has(path) || !isMatch(path)) return;
      const type = this.#seenAt(node, path, looks)?.entry.type;
      if (type === 'file' || type === 'symlink') found.add(path);
    };
    for (const path of this.source.entries.keys()) consider(path);
    for (const path of this.#writers.keys()) consider(path);
    return [...found].sort();
  }

  /**
   * For a node whose `reads` was not called, by what it looked at in an earlier run: the first of the writers that `isWanted` accepts
   * from which it would see a file or a name. Undefined if there is none.
   */
  writerAmong(node: number, looks: Iterable<string>, isWanted: (writer: number) => boolean): number | undefined {
    const wantedAt = (path: string): number | undefined => {
      const writer = this.#winnerOf(node, path)?.writer;
      return writer !== undefined && isWanted(writer) ? writer : undefined;
    };
    for (const look of looks) {
      if (!look.startsWith(GLOB)) {
        const writer = wantedAt(look);
        if (writer !== undefined) return writer;
        continue;
      }
      const pattern = look.slice(GLOB.length);
      const { base } = splitPattern(pattern);
      const prefix = base === '' ? '' : `${base}/`;
      const isMatch = matcherOf(pattern);
      for (const [path, writers] of this.#writers) {
        if (!path.startsWith(prefix) || !writers.some((each) => isWanted(each.node)) || !isMatch(path)) continue;
        const writer = wantedAt(path);
        if (writer !== undefined) return writer;
      }
    }
    return undefined;
  }

  list(node: number, path: string): readonly string[] {
    this.#sourceNames ??= namesByFolder(this.source.entries.keys());
    const names = new Set([...(this.#sourceNames.get(path) ?? []), ...(this.#layerChildren.get(path) ?? [])]);
    const prefix = path === '' ? '' : `${path}/`;
    const looks = this.#looks.get(node);
    looks?.paths.add(`${GLOB}${escapeGlob(prefix)}*`);
    return [...names].filter((name) => this.#seenAt(node, prefix + name, looks) !== undefined).sort();
  }
}

/** Prefix of a pattern among the looks of a node. */
export const GLOB = 'glob:';
export const escapeGlob = (path: string): string => path.replace(/[\\*?[\]{}()!+@|]/g, '\\$&');

/** The folder that a pattern begins with, and the pattern below it; `rest` is empty if the pattern names one path. */
export function splitPattern(pattern: string): { readonly base: string; readonly rest: string } {
  const base = plainBaseOf(pattern);
  if (base !== undefined) {
    const depth = base === '' ? 0 : base.split('/').length;
    return { base, rest: pattern.split('/').slice(depth).join('/') };
  }
  const path = withoutEscapes(pattern);
  return { base: normalize(path) ?? path, rest: '' };
}

/** `a/../b` -> `b`; undefined if it points outside the app. */
export function normalize(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join('/');
}
