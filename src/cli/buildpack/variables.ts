// Which variables of bin/compile's environment the app gets: hooks get those that the operator names, and nodes that build
// code get paths into the app that an earlier buildpack exported. It gets no others.

import { realpathSync } from 'node:fs';
import type { RunRequest } from '../../engine/request.js';

/** Hooks may need to know the base image, and platforms can turn off collectstatic for all apps. */
const ALWAYS = ['STACK', 'DISABLE_COLLECTSTATIC'];

/** bin/test-compile has always set these. The app's own variables win. */
const IN_TESTS: Readonly<Record<string, string>> = {
  INSTALL_TEST: '1',
  DISABLE_COLLECTSTATIC: '1',
  LC_ALL: 'C.UTF-8',
};

/** The app's own variables win over these. */
export function variablesOf(
  env: Readonly<Record<string, string | undefined>>,
  isTest: boolean,
): Readonly<Record<string, string>> {
  const named = (env['PYFLOW_PASS_ENV'] ?? '').split(/[\s,]+/).filter((name) => name !== '');
  const passed: Record<string, string> = {};
  for (const name of [...ALWAYS, ...named]) {
    const value = env[name];
    if (value !== undefined) passed[name] = value;
  }
  return isTest ? { ...passed, ...IN_TESTS } : passed;
}

/** Lists of folders. Only those in the app count; the others belong to the builder. */
const LISTS: ReadonlySet<string> = new Set([
  'PATH',
  'CPATH',
  'C_INCLUDE_PATH',
  'CPLUS_INCLUDE_PATH',
  'LD_LIBRARY_PATH',
  'LIBRARY_PATH',
  'PKG_CONFIG_PATH',
]);
/** The folders of the build itself, and what an earlier Python buildpack would set. */
const OWN = /^(?:HOME|PWD|OLDPWD|TMPDIR|BUILD_DIR|CACHE_DIR|ENV_DIR|PYTHON\w*|VIRTUAL_ENV|PYFLOW_\w*|_)$/;
/** A folder in app coordinates that never needs quoting. */
const PLAIN = /^(?!.*(?:^|\/)\.{0,2}(?:\/|$))[\w.+@/-]+$/;

/** For each variable, the folders of the app that it names, below BUILD_DIR or below `/app`. */
export function searchPathsOf(
  env: Readonly<Record<string, string | undefined>>,
  buildDir: string,
): NonNullable<RunRequest['searchPaths']> {
  const roots = [...new Set([buildDir, realpathOf(buildDir), '/app'])];
  const folderOf = (path: string): string | undefined => {
    for (const root of roots) {
      const folder = path.startsWith(`${root}/`) ? path.slice(root.length + 1).replace(/\/+$/, '') : '';
      if (PLAIN.test(folder)) return folder;
    }
    return undefined;
  };
  const found: Record<string, readonly string[]> = {};
  for (const [name, value] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (value === undefined || OWN.test(name)) continue;
    const entries = value.split(':').filter((entry) => entry !== '');
    const folders = entries.flatMap((entry) => folderOf(entry) ?? []);
    const isWhole = folders.length === entries.length;
    if (folders.length > 0 && (isWhole || LISTS.has(name))) found[name] = [...new Set(folders)];
  }
  return found;
}

function realpathOf(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}
