// `.slugignore`: parses its patterns, decides when they apply, and removes from a tree what they name.

import type { JSONValue } from '../../manifests/json-schema.js';
import { compilePathPattern, type PathMatcher } from '../../manifests/path-pattern.js';
import type { Digest } from '../files/digest.js';
import { addDirectory, EMPTY_DIRECTORY } from '../trees/directories.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { patternTooLarge } from '../files/pattern.js';
import type { Directory, DirectoryTable } from '../trees/tree.js';

export const SLUGIGNORE = '.slugignore';

/** How a list matches a path: `named` by a path from the root, `matched` by a name at any depth. */
export type Ignores = (path: string) => 'named' | 'matched' | undefined;

/** The text of a list, and the folder that contains it (empty for the app folder). */
export interface IgnoreList {
  readonly folder: string;
  readonly text: string;
}

/**
 * When the platform applies the list: Heroku's stacks remove the files before the build; the others leave them out of the image
 * after it.
 */
export const isAppliedBeforeBuild = (params: Readonly<Record<string, JSONValue>>): boolean =>
  typeof params['stack'] === 'string' && params['stack'].startsWith('heroku-');

/** Folders whose list counts: the app, and the project in it. */
export function ignoreFolders(params: Readonly<Record<string, JSONValue>>): readonly string[] {
  const { root } = params;
  return typeof root === 'string' && root !== '' && root !== '.' ? ['', root] : [''];
}

/** Bytes of a list. */
const LARGEST_LIST = 1024 * 1024;
/** Patterns times paths; takes some seconds. */
const MOST_COMPARISONS = 50_000_000;

/**
 * One pattern per line, `#` comments. A pattern that matches a folder covers its content. As on the platforms there is no
 * negation. `paths`: how many paths will be compared. Undefined if the lists are empty.
 */
export function parseIgnoreLists(lists: readonly IgnoreList[], paths: number): Result<Ignores | undefined, Failure> {
  const named: string[] = [];
  const matched: string[] = [];
  for (const { folder, text } of lists) {
    if (text.length > LARGEST_LIST) return fail(tooManyPatterns(undefined));
    const prefix = folder === '' ? '' : `${folder.replace(/[\\*?[\]{}()!+@|]/g, '\\$&')}/`;
    for (const line of text.split('\n')) {
      const pattern = line.trim();
      if (pattern.startsWith('#') || pattern.startsWith('!')) continue;
      const relative = withoutOuterSlashes(pattern);
      if (relative === '') continue;
      if (pattern.includes('/')) named.push(`${prefix}${relative}`);
      else matched.push(`${prefix}**/${relative}`);
    }
  }
  const patterns = named.length + matched.length;
  if (patterns === 0) return succeed(undefined);
  if (patterns * paths > MOST_COMPARISONS) return fail(tooManyPatterns(patterns));
  const [byPath, byName] = [matcherOf(named), matcherOf(matched)];
  if (!byPath.ok) return byPath;
  if (!byName.ok) return byName;
  return succeed((path) => (byPath.value(path) ? 'named' : byName.value(path) ? 'matched' : undefined));
}

/** Also removes `./` at the start. A regular expression would be quadratic for a long row of slashes. */
function withoutOuterSlashes(pattern: string): string {
  let start = 0;
  while (pattern[start] === '/' || pattern.startsWith('./', start)) start += pattern[start] === '/' ? 1 : 2;
  let end = pattern.length;
  while (end > start && pattern[end - 1] === '/') end--;
  return pattern.slice(start, end);
}

function matcherOf(patterns: readonly string[]): Result<(path: string) => boolean, Failure> {
  const matchers: PathMatcher[] = [];
  for (const pattern of patterns) {
    for (const each of [pattern, `${pattern}/**`]) {
      const compiled = compilePathPattern(each);
      if (compiled === undefined) return fail(patternTooLarge(pattern, 'app'));
      matchers.push(compiled);
    }
  }
  return succeed((path) => matchers.some((matches) => matches(path)));
}

const tooManyPatterns = (patterns: number | undefined): Failure => ({
  code: 'pattern::too-large',
  blame: 'app',
  title: 'The file .slugignore has too many patterns',
  detail:
    patterns === undefined
      ? 'It is larger than 1 MiB.'
      : `It has ${patterns} patterns, and the app has very many files.`,
  remedy: 'List folders instead of single files.',
});

/** Folders in which a mere name does not match: the runtime with the app's packages, and the scripts that set the environment. */
export function shieldedFolders({ vendorDir }: Readonly<Record<string, JSONValue>>): readonly string[] {
  return ['.profile.d', typeof vendorDir === 'string' && vendorDir !== '' ? vendorDir : '.scalingo'];
}

/**
 * The tree without what the list names. In `shielded` folders only paths from the root count: `docs` or `*.txt` is meant for the
 * app, and some packages don't work without such files.
 */
export function withoutIgnored(
  table: DirectoryTable,
  root: Digest,
  ignores: Ignores,
  shielded: readonly string[],
): Digest {
  const isShielded = (path: string): boolean =>
    shielded.some((folder) => path === folder || path.startsWith(`${folder}/`) || folder.startsWith(`${path}/`));
  const goes = (path: string): boolean => {
    const said = ignores(path);
    return said === 'named' || (said === 'matched' && !isShielded(path));
  };
  const visit = (digest: Digest, prefix: string): Digest => {
    if (digest === EMPTY_DIRECTORY) return digest;
    const directory = table.get(digest) as Directory;
    const stays = ({ name }: { readonly name: string }): boolean => !goes(prefix + name);
    return addDirectory(table, {
      ...directory,
      files: directory.files.filter(stays),
      directories: directory.directories
        .filter(stays)
        .map(({ name, digest: child }) => ({ name, digest: visit(child, `${prefix}${name}/`) })),
      symlinks: directory.symlinks.filter(stays),
    });
  };
  return visit(root, '');
}
