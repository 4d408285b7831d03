// What a node wrote, held against what it says that it writes.

import type { Failure } from '../failure.js';
import type { Digest } from '../files/digest.js';
import { matcherOf } from '../files/pattern.js';
import { shownPath } from '../files/shown-path.js';
import type { Run } from '../run/run.js';
import type { Layer } from '../trees/tree.js';
import type { Action } from './action.js';

/** Undefined when the node wrote only where it may. */
export function undeclaredWrite(run: Run, action: Action, layer: Layer): Failure | undefined {
  const paths = undeclaredPaths(run, action, layer);
  return paths.length === 0 ? undefined : undeclared(run, action, paths);
}

/** What the kind says; and where it builds code, as that generates code, what lies beside the sources that it reads whole. */
function mayWrite({ node, plugin, reads }: Action): readonly string[] {
  if (plugin.manifest.buildsCode !== true) return node.writes;
  return [...node.writes, ...(reads.files ?? []).filter((pattern) => /(^|\/)\*\*$/.test(pattern))];
}

function undeclaredPaths(run: Run, action: Action, layer: Layer): readonly string[] {
  if (layer.files === 0 && layer.deleted.length === 0) return [];
  const writes = mayWrite(action);
  if (writes.includes('**')) return [];
  const literal = new Set(writes);
  // Most nodes name their files; a matcher is made for the others only.
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
  const directory = run.layers.table.get(root);
  if (directory === undefined) return;
  for (const { name } of directory.files) yield prefix + name;
  for (const { name } of directory.symlinks) yield prefix + name;
  for (const { name, digest } of directory.directories) yield* filesOf(run, digest, `${prefix}${name}/`);
}

/** Who could have prevented it: the pipeline names the places itself, an outside plugin declares them, else code of the app wrote. */
function undeclared(run: Run, action: Action, paths: readonly string[]): Failure {
  const { node, plugin } = action;
  const isNamed = plugin.manifest.writes.some((pattern) => /^\$\{config\.\w+\}$/.test(pattern));
  const isOutside = run.kinds.get(node.kind)?.codeDigest !== undefined;
  const more = paths.length > 5 ? ` and ${paths.length - 5} more` : '';
  return {
    code: 'node::undeclared-write',
    blame: isNamed || isOutside ? 'pipeline' : 'app',
    title: `Node ${node.id} wrote where it did not say it would`,
    detail: `Written: ${paths.slice(0, 5).map(shownPath).join(', ')}${more}\nDeclared: ${mayWrite(action).join(', ') || 'nothing'}`,
    remedy:
      isNamed || isOutside
        ? 'Add the paths to the writes of the node, or let it write into its scratch folder.'
        : 'Find the package or build script that writes there, and make it write into its own folder.',
  };
}
