// Decides which files the builds of projects in the app see. A build backend may read files outside its project, and without
// them a build fails or sets a wrong version. So it sees the whole app, unless the project's files show that it reads no more.

import type { NodeLog, RunContext, ViewReader } from '../../../engine/sdk.js';
import { buildReach, type BuildReach } from '../../../manifests/app/build-reach.js';
import { literalPattern, wholePattern } from './literal-pattern.js';
import { inRoot } from './root.js';

export interface ProjectSources {
  /** Patterns for `reads`. */
  readonly patterns: readonly string[];
  /** Folder of a project whose build may read any file of the app -> reason. A fact, so that `why` can show it. */
  readonly readingAll: Readonly<Record<string, string>>;
}

/**
 * `places`: folders and files from which packages are installed, app-relative; `.` is the app. `isLocked`: the lockfile lists
 * their dependencies, so a path to another project is no reason to see the whole app.
 */
export async function sourcesOf(
  view: ViewReader,
  places: readonly string[],
  { isLocked }: { readonly isLocked: boolean },
): Promise<ProjectSources> {
  const patterns = new Set<string>();
  const readingAll: Record<string, string> = {};
  for (const place of places) {
    patterns.add(wholePattern(view, place));
    const reach = place === '.' ? undefined : await reachOf(view, place, isLocked);
    if (reach?.type === 'anything') {
      patterns.add('**');
      readingAll[place] = reach.because;
    }
    for (const name of reach?.type === 'own-folder' ? reach.looksUp : []) {
      for (const folder of foldersAbove(place)) patterns.add(literalPattern(inRoot(folder, name)));
    }
  }
  return { patterns: [...patterns].sort(), readingAll };
}

/** Undefined for archives and folders of archives, which are not projects. */
async function reachOf(view: ViewReader, place: string, isLocked: boolean): Promise<BuildReach | undefined> {
  const names = view.list(place);
  if (!names.includes('pyproject.toml') && !names.includes('setup.py') && !names.includes('setup.cfg'))
    return undefined;
  const read = async (name: string): Promise<Uint8Array | undefined> =>
    names.includes(name) ? await view.read(`${place}/${name}`) : undefined;
  const reach = buildReach({
    isLocked,
    names,
    pyproject: await read('pyproject.toml'),
    setupCfg: await read('setup.cfg'),
    manifestIn: await read('MANIFEST.in'),
  });
  // Behind a link, the folders above the project differ from those in its path.
  const isLost = reach.type === 'own-folder' && reach.looksUp.length > 0 && !isPlainFolder(view, place);
  return isLost ? { type: 'anything', because: 'is behind a symbolic link and looks for files above it' } : reach;
}

function isPlainFolder(view: ViewReader, place: string): boolean {
  const parts = place.split('/');
  return parts.every((_, depth) => view.kindOf(parts.slice(0, depth + 1).join('/')) === 'directory');
}

/** For `a/b`: `a` and `.`. */
function foldersAbove(place: string): readonly string[] {
  const parts = place.split('/');
  return parts.map((_, depth) => parts.slice(0, depth).join('/') || '.');
}

/** The part of it for the facts. */
export const readingFact = ({ readingAll }: ProjectSources): Partial<Pick<ProjectSources, 'readingAll'>> =>
  Object.keys(readingAll).length === 0 ? {} : { readingAll };

/** Logs why an install depends on all files of the app. */
export function tellReadingAll(log: NodeLog, context: RunContext, readingAll: ProjectSources['readingAll'] = {}): void {
  for (const [folder, because] of Object.entries(readingAll)) {
    log.info(context, `${folder} ${because}, so its build sees the whole app, and a change to any file reinstalls it`);
  }
}
