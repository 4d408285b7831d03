// How pip is run: isolated from every configuration of the machine, so that what it does is in the key.

import type { Files, RunContext } from '../../../engine/sdk.js';
import { maskUserinfo } from '../install/index-url.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/**
 * Environment of a command that installs packages. /dev/null as its file makes pip read no configuration at all, and
 * the home folder is an empty one, so there is no .netrc and no .pydistutils.cfg either.
 */
export function isolatedEnvironment(
  context: RunContext,
  files: Files,
  options: { readonly index?: string | undefined; readonly extraIndexes?: string | undefined } = {},
): Readonly<Record<string, string>> {
  for (const folder of ['home', 'tmp']) files.of(context).scratch.makeFolders(folder);
  const home = `${context.paths.scratch}/home`;
  return {
    // Tools break their lines at the width of the terminal, which cuts what is looked for in them.
    COLUMNS: '1000',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    HOME: home,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_INPUT: '1',
    PIP_ROOT_USER_ACTION: 'ignore',
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONNOUSERSITE: '1',
    TMPDIR: `${context.paths.scratch}/tmp`,
    XDG_CACHE_HOME: `${home}/.cache`,
    XDG_CONFIG_HOME: `${home}/.config`,
    XDG_DATA_HOME: `${home}/.local/share`,
    // By variable and not by flag: a URL may hold a password, and arguments are seen by every process.
    ...(options.index !== undefined && { PIP_INDEX_URL: options.index }),
    ...(options.extraIndexes !== undefined && { PIP_EXTRA_INDEX_URL: options.extraIndexes }),
  };
}

/**
 * Where the headers and libraries of the slug's Python are, for packages that compile; before those that buildpacks before
 * this one put into the app.
 */
export function compilerEnvironment({ env }: RunContext, python: string): Readonly<Record<string, string>> {
  const before = (folder: string, name: string): Readonly<Record<string, string>> => ({
    [name]: env[name] === undefined || env[name] === '' ? folder : `${folder}:${env[name]}`,
  });
  return {
    ...before(`${python}/include`, 'C_INCLUDE_PATH'),
    ...before(`${python}/include`, 'CPLUS_INCLUDE_PATH'),
    ...before(`${python}/lib`, 'LIBRARY_PATH'),
    ...before(`${python}/lib`, 'LD_LIBRARY_PATH'),
    ...before(`${python}/lib/pkgconfig`, 'PKG_CONFIG_PATH'),
  };
}

/** As `readableLine`, and shows the app where it is when it runs: its folder during the build says nothing to the reader. */
export const readableLineOf = ({ paths }: RunContext, text: string): string =>
  readableLine(text).replaceAll(paths.app, PUBLIC_APP_DIR);

/** Cuts out what only makes a line long (the folder of packages that are there already), and passwords. */
export function readableLine(text: string): string {
  return maskUserinfo(text.replace(/^(Requirement already satisfied: .*?) in \S*site-packages\b/, '$1'));
}
