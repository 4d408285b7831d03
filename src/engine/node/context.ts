// Makes the `RunContext` that a plugin works with: folders, environment, secrets, view, signal.

import { spellSearchPaths } from '../app/search-paths.js';
import { viewReader } from '../app/view.js';
import type { RunContext } from '../sdk.js';
import { searchPathsOf, type Action } from './action.js';
import type { Execution } from './execution.js';
import type { NodeHandle } from './node-handle.js';

/** Folders of one node as this process sees them, named as in `paths`. */
export type Folders = RunContext['paths'];

export interface ContextParts {
  readonly handle: NodeHandle;
  readonly signal: AbortSignal;
  readonly keptCache: RunContext['keptCache'];
  readonly folders: Folders;
  /** The same folders as commands see them. */
  readonly paths: RunContext['paths'];
}

export function contextOf(
  { run, secrets }: Pick<Execution, 'run' | 'secrets'>,
  action: Action,
  { handle, signal, folders, paths, keptCache }: ContextParts,
): RunContext {
  const { node, plugin, index, lookedUp } = action;
  const own = Object.fromEntries(
    node.secrets.flatMap(({ name }) => (secrets[name] === undefined ? [] : [[name, secrets[name]]])),
  );
  const env = spellSearchPaths(action.env, searchPathsOf(run, plugin), paths.app);
  return {
    node: node.id,
    appDir: folders.app,
    ...(folders.tool === undefined ? {} : { toolDir: folders.tool }),
    scratchDir: folders.scratch,
    cacheDir: folders.cache,
    keptCache,
    givenDir: folders.given,
    paths,
    toolDirs: folders.tools,
    env: { ...env, HOME: paths.scratch, TMPDIR: paths.scratch, ...own, ...node.env },
    facts: action.reads.facts ?? null,
    view: viewReader(run.states.files, index, run.surroundings, lookedUp),
    signal,
    handle,
  };
}
