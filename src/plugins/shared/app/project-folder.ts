// Finds the files of a project in folders above `root` if the root has none, like the package managers.

import { posix } from 'node:path';
import type { NodeLog, RunContext, ViewReader } from '../../../engine/sdk.js';
import { parseUvProject, type UvWorkspace } from '../../../manifests/app/uv-settings.js';
import { literalPattern } from './literal-pattern.js';
import { isWantedFile } from './root-listing.js';
import { inRoot, rootName } from './root.js';

/** The root and all folders above it, up to the app: `services/web`, `services`, `.`. */
export function foldersUp(root: string): readonly string[] {
  if (root === '.') return [root];
  const parts = root.split('/');
  return [...parts.map((_, depth) => parts.slice(0, parts.length - depth).join('/')), '.'];
}

/** The root or the nearest folder above it that contains the file. If none does, the root. */
export async function nearestWith(view: ViewReader, root: string, file: string): Promise<string> {
  for (const folder of foldersUp(root)) if (await isWantedFile(view, inRoot(folder, file))) return folder;
  return root;
}

/** The folder in which Poetry finds the project: the nearest one with a pyproject.toml. */
export const poetryFolder = (view: ViewReader, root: string): Promise<string> => nearestWith(view, root, PROJECT);

interface UvPlaces {
  /** The folder of the project that is installed. */
  readonly project: string;
  /** The folder of the lockfile: of the workspace that the project is a member of, otherwise of the project. */
  readonly top: string;
  /** A workspace in a folder above, of which the project is not a member. */
  readonly otherWorkspace?: { readonly folder: string; readonly isExcluded: boolean };
}

const PROJECT = 'pyproject.toml';

/** By the rules of uv. Unreadable files count as files without a workspace, and a later read reports them. */
export async function uvPlaces(view: ViewReader, root: string): Promise<UvPlaces> {
  const project = await nearestWith(view, root, PROJECT);
  for (const folder of foldersUp(project)) {
    const workspace = await workspaceIn(view, folder);
    if (workspace === undefined) continue;
    if (folder === project) break;
    const names = (patterns: readonly string[]): boolean =>
      patterns.some((pattern) => view.match(memberFiles(folder, pattern)).includes(inRoot(project, PROJECT)));
    const isExcluded = names(workspace.exclude);
    if (!isExcluded && names(workspace.members)) return { project, top: folder };
    return { project, top: project, otherWorkspace: { folder, isExcluded } };
  }
  return { project, top: project };
}

async function workspaceIn(view: ViewReader, folder: string): Promise<UvWorkspace | undefined> {
  const file = inRoot(folder, PROJECT);
  const bytes = view.exists(file) ? await view.read(file) : undefined;
  const parsed = bytes === undefined ? undefined : parseUvProject(bytes);
  return parsed?.ok === true ? parsed.value.workspace : undefined;
}

/** Pattern for the project files of the workspace members that a pattern in `folder` matches. */
export const memberFiles = (folder: string, pattern: string): string =>
  inRoot(literalPattern(folder), posix.join(pattern, PROJECT));

/** Logs that an install uses files above the root. */
export function tellFolder(log: NodeLog, context: RunContext, root: string, file: string): void {
  if (posix.dirname(file) === root || file === inRoot(root, posix.basename(file))) return;
  log.info(context, `Using ${file}, because ${rootName(root)} has no ${posix.basename(file)}`);
}
