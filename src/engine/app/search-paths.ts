// Folders of the app in which nodes that build code look for programs, headers and libraries: what buildpacks before this
// one installed and put into PATH and its like. In app coordinates, so that keys are the same wherever the app lies.

import { BASE_ENVIRONMENT } from './base-environment.js';

/** Name of a variable -> folders of the app, `.apt/usr/bin` for example, in the order in which they are searched. */
export type SearchPaths = Readonly<Record<string, readonly string[]>>;

/** How keys spell the folder of the app. */
const APP = '/app';

/** Folders that several buildpacks use, each for a folder of its own. */
const SHARED: ReadonlySet<string> = new Set(['.heroku', '.scalingo']);

/** The variables; `app` is the app's folder as a command sees it. */
export function searchPathVariables(paths: SearchPaths, app = APP): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const [name, folders] of Object.entries(paths)) {
    const base = BASE_ENVIRONMENT[name];
    variables[name] = [...folders.map((folder) => `${app}/${folder}`), ...(base === undefined ? [] : [base])].join(':');
  }
  return variables;
}

/** Says for a command what `env` says in the words of the key; a variable that something else has set stays. */
export function spellSearchPaths(
  env: Readonly<Record<string, string>>,
  paths: SearchPaths,
  app: string,
): Readonly<Record<string, string>> {
  const keyed = searchPathVariables(paths);
  const spelled = Object.entries(searchPathVariables(paths, app)).filter(([name]) => env[name] === keyed[name]);
  return { ...env, ...Object.fromEntries(spelled) };
}

/**
 * Patterns of the files that belong to those folders: a library lies beside the programs that tell where it is. Hidden
 * folders only, since what is not hidden is the app's, and no install should run anew for an edit there.
 */
export function searchPathFiles(paths: SearchPaths): readonly string[] {
  const folders = new Set<string>();
  for (const folder of Object.values(paths).flat()) {
    const [first = '', second] = folder.split('/');
    if (!first.startsWith('.')) continue;
    if (!SHARED.has(first)) folders.add(first);
    else if (second !== undefined) folders.add(`${first}/${second}`);
  }
  return [...folders].sort();
}
