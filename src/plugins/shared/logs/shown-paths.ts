// Paths in the texts of tools, as people know them: files of the app by their path in the app, and nothing of the folders that
// exist during the build only.

import type { RunContext } from '../../../engine/sdk.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/** What of a node's place is looked for. */
export type ShownPlace = Pick<RunContext, 'appDir' | 'scratchDir' | 'cacheDir' | 'givenDir' | 'paths'>;

const QUOTED = /[.*+?^${}()|[\]\\]/g;
/** A path ends before these. */
const REST = `[^\\s'"\`,;:()<>]*`;

/** Gives the text of a line of output for a message. */
export function pathsShower(place: ShownPlace | undefined): (line: string) => string {
  if (place === undefined) return (line) => line;
  const { paths } = place;
  const app = alternatives([paths.app, place.appDir, PUBLIC_APP_DIR]);
  const scratch = alternatives([paths.scratch, place.scratchDir]);
  const cache = alternatives([paths.cache, place.cacheDir]);
  const given = alternatives([paths.given, place.givenDir]);
  const tools = alternatives(Object.values(paths.tools));
  const hasPrivateApp = paths.app !== PUBLIC_APP_DIR || place.appDir !== PUBLIC_APP_DIR;
  // pip writes some of its messages in small letters, paths and all.
  const flags = paths.app === PUBLIC_APP_DIR ? 'g' : 'gi';
  const inApp = new RegExp(`(?<![\\w/.-])(?:${app})(?![\\w.-])(/${REST})?`, flags);
  const fileUrl = new RegExp(`file://(?:${app})(?![\\w.-])(/${REST})?`, flags);
  const privateApp = alternatives([paths.app, place.appDir].filter((path) => path !== PUBLIC_APP_DIR));
  const glued = new RegExp(`(?:${privateApp})/`, 'gi');
  const elsewhere: readonly (readonly [RegExp, string])[] = [
    // Where pip clones to: the command says enough without.
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

/** Longer ones first; matches nothing when there is none. */
function alternatives(folders: readonly (string | undefined)[]): string {
  const known = [...new Set(folders.filter((folder): folder is string => folder !== undefined && folder.length > 1))];
  if (known.length === 0) return '(?!)';
  const longestFirst = known.toSorted((a, b) => b.length - a.length);
  return longestFirst.map((folder) => folder.replaceAll(QUOTED, String.raw`\$&`)).join('|');
}
