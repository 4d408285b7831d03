// Rewrites paths in the output of tools for users: files of the app get their path in the app, and folders that exist only
// during the build are hidden.

import type { RunContext } from '../../../engine/sdk.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/** The folders of a node that are replaced. */
export type ShownPlace = Pick<RunContext, 'appDir' | 'scratchDir' | 'cacheDir' | 'givenDir' | 'paths'>;

const QUOTED = /[.*+?^${}()|[\]\\]/g;
/** The rest of a path, which ends before these characters. */
const REST = `[^\\s'"\`,;:()<>]*`;

/** Returns a function that rewrites a line of output for a message. */
export function pathsShower(place: ShownPlace | undefined): (line: string) => string {
  if (place === undefined) return (line) => line;
  const { paths } = place;
  const app = alternatives([paths.app, place.appDir, PUBLIC_APP_DIR]);
  const scratch = alternatives([paths.scratch, place.scratchDir]);
  const cache = alternatives([paths.cache, place.cacheDir]);
  const given = alternatives([paths.given, place.givenDir]);
  const tools = alternatives(Object.values(paths.tools));
  const hasPrivateApp = paths.app !== PUBLIC_APP_DIR || place.appDir !== PUBLIC_APP_DIR;
  // pip writes some messages in lower case, including their paths.
  const flags = paths.app === PUBLIC_APP_DIR ? 'g' : 'gi';
  const inApp = new RegExp(`(?<![\\w/.-])(?:${app})(?![\\w.-])(/${REST})?`, flags);
  const fileUrl = new RegExp(`file://(?:${app})(?![\\w.-])(/${REST})?`, flags);
  const privateApp = alternatives([paths.app, place.appDir].filter((path) => path !== PUBLIC_APP_DIR));
  const glued = new RegExp(`(?:${privateApp})/`, 'gi');
  const elsewhere: readonly (readonly [RegExp, string])[] = [
    // The target folder of a clone by pip, which users don't need.
    [new RegExp(` '?(?:${scratch})/tmp/pip-install-${REST}'?`, 'gi'), ''],
    [new RegExp(`(?<![\\w/.-])(?:${scratch})/${REST}`, 'gi'), '(a temporary folder)'],
    [new RegExp(`(?:${cache})(?:/${REST}|(?![\\w.-]))`, 'gi'), '(the cache)'],
    [new RegExp(`(?:${given})(?:/${REST}|(?![\\w.-]))`, 'gi'), '(a file of pyflow)'],
    [new RegExp(`(?:${tools})(?:/${REST}|(?![\\w.-]))`, 'gi'), '(a tool)'],
  ];
  const relative = (_: string, rest: string | undefined): string => rest?.replace(/^\/+/, '') || '.';
  return (line) => {
    let text = line.replace(fileUrl, relative).replace(inApp, relative);
    if (hasPrivateApp) text = text.replace(glued, '');
    for (const [pattern, shown] of elsewhere) text = text.replace(pattern, shown);
    return text;
  };
}

/** Longer ones first. Matches nothing if there are no folders. */
function alternatives(folders: readonly (string | undefined)[]): string {
  const known = [...new Set(folders.filter((folder): folder is string => folder !== undefined && folder.length > 1))];
  if (known.length === 0) return '(?!)';
  const longestFirst = known.toSorted((a, b) => b.length - a.length);
  return longestFirst.map((folder) => folder.replaceAll(QUOTED, String.raw`\$&`)).join('|');
}
