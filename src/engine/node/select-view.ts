// Selects the layers, files of the app and tools that a node will see, and builds one tree of them.

import { linkFailure } from '../app/links.js';
import { searchPathFiles } from '../app/search-paths.js';
import { selectPaths } from '../app/selection.js';
import { succeed, fail, type Failure, type Result } from '../failure.js';
import { sizeOf, type Digest } from '../files/digest.js';
import { spellMode, spellPermissions } from '../files/modes.js';
import { stopWith, type Stop } from '../run/node-end.js';
import type { Run } from '../run/run.js';
import { buildTree, mergeDirectories, type NewEntry } from '../trees/directories.js';
import type { Layer } from '../trees/tree.js';
import { searchPathsOf, type Asked, type SelectedFiles, type SelectedView } from './action.js';
import type { ResolvedInputs } from './inputs.js';

export async function selectView(
  run: Run,
  index: number,
  inputs: ResolvedInputs,
  { plugin, reads }: Asked,
): Promise<Result<SelectedView, Stop>> {
  const { layers } = run;
  const treeLayers = await run.layersOf(inputs.trees);
  if (!treeLayers.ok) return treeLayers;
  const patterns = [...(reads.files ?? []), ...searchPathFiles(searchPathsOf(run, plugin))];
  const files = selectFiles(run, index, patterns, treeLayers.value);
  if (!files.ok) return stopWith(files.failure);
  const tools: Record<string, Digest> = {};
  for (const [port, value] of Object.entries(inputs.tools)) {
    const found = await run.layersOf([value]);
    if (!found.ok) return found;
    tools[port] = layers.rootOf(found.value);
  }
  const ownTree = buildTree(files.value.entries, layers.table).root;
  const isOwnAlone = treeLayers.value.length === 0;
  const root = isOwnAlone ? ownTree : mergeDirectories(layers.table, layers.rootOf(treeLayers.value), ownTree);
  return succeed({ treeLayers: treeLayers.value, files: files.value, tools, root });
}

/** Files that `patterns` match, and the targets of links among them, except those that tree layers already contain. */
function selectFiles(
  run: Run,
  index: number,
  patterns: readonly string[],
  treeLayers: readonly Layer[],
): Result<SelectedFiles, Failure> {
  const { states, sourceDigests } = run;
  const brought = new Set(treeLayers.map((layer) => states.writerOf(layer.digest)));
  const entries: [string, NewEntry][] = [];
  const digests: Record<string, string> = {};
  const sources = new Map<Digest, string>();
  let bytes = 0;
  const { paths, passed, problem } = selectPaths(states.files, index, patterns);
  if (problem !== undefined) return fail(linkFailure(problem, run.request.appDir));
  for (const path of paths) {
    const { writer, entry } = states.files.winner(index, path)!;
    if (brought.has(writer)) continue;
    if (entry.type === 'symlink') {
      entries.push([path, { target: entry.target }]);
      digests[path] = `-> ${entry.target}`;
    } else if (entry.type === 'file') {
      const digest = 'source' in entry ? sourceDigests.of(path) : succeed(entry.digest);
      if (!digest.ok) return digest;
      if ('source' in entry) sources.set(digest.value, `${run.request.appDir}/${path}`);
      bytes += sizeOf(digest.value);
      const { executable, mode } = entry;
      entries.push([path, { digest: digest.value, executable, ...(mode === undefined ? {} : { mode }) }]);
      digests[path] = `${digest.value}${spellPermissions(entry)}`;
    }
  }
  for (const [path, mode] of foldersOf(run, index, entries)) {
    entries.push([path, { directory: true, mode }]);
    digests[`${path}/`] = `mode ${spellMode(mode)}`;
  }
  return succeed({ entries, digests, sources, bytes, passed });
}

/** Folders above the entries whose mode is not 0755. */
function foldersOf(run: Run, index: number, entries: readonly (readonly [string, NewEntry])[]): Map<string, number> {
  const found = new Map<string, number>();
  const seen = new Set<string>();
  for (const [path] of entries) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const folder = path.slice(0, slash);
      if (seen.has(folder)) break;
      seen.add(folder);
      const mode = run.states.files.folderMode(index, folder);
      if (mode !== undefined) found.set(folder, mode);
    }
  }
  return found;
}
