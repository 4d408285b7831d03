// Compares what a node wrote with the `writes` that it declares.

import type { Failure } from '../failure.js';
import type { Digest } from '../files/digest.js';
import { matcherOf } from '../files/pattern.js';
import { someOf } from '../files/shown-path.js';
import type { Run } from '../run/run.js';
import { directoryOf } from '../trees/directories.js';
import type { Layer } from '../trees/tree.js';
import type { Action } from './action.js';

/** A failure that names the layer's paths outside `writes`; undefined if there are none. */
export function undeclaredWrite(run: Run, action: Action, layer: Layer): Failure | undefined {
  const paths = undeclaredPaths(run, action, layer);
  return paths.length === 0 ? undefined : undeclared(run, action, paths);
}

/**
 * The patterns that the kind declares. A kind that builds code may also write into folders that it reads as a whole,
 * because builds generate code there.
 */
function mayWrite({ node, plugin, reads }: Action): readonly string[] {
  if (plugin.manifest.buildsCode !== true) return node.writes;
  return [...node.writes, ...(reads.files ?? []).filter((pattern) => /(^|\/)\*\*$/.test(pattern))];
}

function undeclaredPaths(run: Run, action: Action, layer: Layer): readonly string[] {
  if (layer.files === 0 && layer.deleted.length === 0) return [];
  const writes = mayWrite(action);
  if (writes.includes('**')) return [];
  const literal = new Set(writes);
  // Most nodes write only paths that they name literally, so the matcher is made only if needed.
  let isDeclared: ((path: string) => boolean) | undefined;
  const found: string[] = [];
  const check = (path: string): void => {
    if (literal.has(path)) return;
    isDeclared ??= writes.length === 0 ? () => false : matcherOf(writes);
    if (!isDeclared(path)) found.push(path);
  };
  for (const path of changedPaths(run, layer)) check(path);
  return found;
}

/** Paths that the node wrote or deleted. */
export function* changedPaths(run: Run, layer: Layer): Generator<string> {
  yield* filesOf(run, layer.root, '');
  yield* layer.deleted;
}

function* filesOf(run: Run, root: Digest, prefix: string): Generator<string> {
  const directory = directoryOf(run.layers.table, root);
  for (const { name } of directory.files) yield prefix + name;
  for (const { name } of directory.symlinks) yield prefix + name;
  for (const { name, digest } of directory.directories) yield* filesOf(run, digest, `${prefix}${name}/`);
}

/**
 * Blames who can fix it: the pipeline if it or an outside plugin lists the places, else the app, whose code wrote
 * there.
 */
function undeclared(run: Run, action: Action, paths: readonly string[]): Failure {
  const { node, plugin } = action;
  const isNamed = plugin.manifest.writes.some((pattern) => /^\$\{config\.\w+\}$/.test(pattern));
  const isOutside = run.kinds.get(node.kind)?.codeDigest !== undefined;
  return {
    code: 'node::undeclared-write',
    blame: isNamed || isOutside ? 'pipeline' : 'app',
    title: `Node ${node.id} wrote to paths that it does not declare`,
    detail: `Written: ${someOf(paths, 5)}\nDeclared: ${mayWrite(action).join(', ') || 'nothing'}`,
    remedy:
      isNamed || isOutside
        ? 'Add the paths to the `writes` of the node, or make it write to its scratch folder ($TMPDIR).'
        : 'Find the package or build script that writes there, and make it write to a declared path.',
  };
}
