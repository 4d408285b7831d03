// Folders of the app in which nodes that build code look for programs, headers and libraries: earlier buildpacks installed
// them and added them to PATH and similar variables. In app coordinates, so that keys don't depend on where the app is.

import { BASE_ENVIRONMENT } from './base-environment.js';

/** Name of a variable -> folders of the app, `.apt/usr/bin` for example, in the order in which they are searched. */
export type SearchPaths = Readonly<Record<string, readonly string[]>>;

/** The app folder in keys. */
const APP = '/app';

/** Folders that several buildpacks share; each has its own folder inside. */
const SHARED: ReadonlySet<string> = new Set(['.heroku', '.scalingo']);

/** The variables. `app`: the app folder as a command sees it. */
export function searchPathVariables(paths: SearchPaths, app = APP): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const [name, folders] of Object.entries(paths)) {
    const base = BASE_ENVIRONMENT[name];
    variables[name] = [...folders.map((folder) => `${app}/${folder}`), ...(base === undefined ? [] : [base])].join(':');
  }
  return variables;
}

/** Replaces the variables in `env` by their values for a command. A variable that was set otherwise stays. */
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
 * Patterns for the files that belong to those folders, including libraries next to them. Only hidden folders: others belong to
 * the app, and an edit there must not re-run an install.
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
