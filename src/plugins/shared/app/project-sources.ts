// What a build of projects in the app has to see. A backend may read any file beside its project, and a build that misses one
// fails or, worse, makes another version: so it sees the whole app, unless the project's files show that it reads nothing else.

import type { NodeLog, RunContext, ViewReader } from '../../../engine/sdk.js';
import { buildReach, type BuildReach } from '../../../manifests/app/build-reach.js';
import { literalPattern, wholePattern } from './literal-pattern.js';
import { inRoot } from './root.js';

export interface ProjectSources {
  /** Patterns for `reads`. */
  readonly patterns: readonly string[];
  /** Folder of a project whose build may read any file of the app -> why. For facts, so that `why` can name it. */
  readonly readingAll: Readonly<Record<string, string>>;
}

/**
 * `places`: folders and files that are installed from, app-relative; `.` is the app. `isLocked`: the lockfile lists what they
 * depend on, so a path to another project is no reason to see the whole app.
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

/** Undefined for what is no project: archives, folders of archives. */
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
  // The folders above it are others than its path says.
  const isLost = reach.type === 'own-folder' && reach.looksUp.length > 0 && !isPlainFolder(view, place);
  return isLost ? { type: 'anything', because: 'is behind a symbolic link and looks for files above it' } : reach;
}

function isPlainFolder(view: ViewReader, place: string): boolean {
  const parts = place.split('/');
  return parts.every((_, depth) => view.kindOf(parts.slice(0, depth + 1).join('/')) === 'directory');
}

/** Of `a/b`: `a` and `.`. */
function foldersAbove(place: string): readonly string[] {
  const parts = place.split('/');
  return parts.map((_, depth) => parts.slice(0, depth).join('/') || '.');
}

/** What a key and `why` hold of it. */
export const readingFact = ({ readingAll }: ProjectSources): Partial<Pick<ProjectSources, 'readingAll'>> =>
  Object.keys(readingAll).length === 0 ? {} : { readingAll };

/** Says in the log of an install what makes it depend on all of the app. */
export function tellReadingAll(log: NodeLog, context: RunContext, readingAll: ProjectSources['readingAll'] = {}): void {
  for (const [folder, because] of Object.entries(readingAll)) {
    log.info(context, `${folder} ${because}, so its build sees the whole app, and a change to any file reinstalls it`);
  }
}
