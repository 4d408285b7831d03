// The environment in which pip runs: isolated from the configuration of the machine, so that the key covers everything.

import type { Files, RunContext } from '../../../engine/sdk.js';
import { maskUserinfo } from '../install/index-url.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/**
 * The environment of a command that installs packages. With /dev/null as its file, pip reads no configuration. The home folder
 * is empty, so there is no .netrc or .pydistutils.cfg.
 */
export function isolatedEnvironment(
  context: RunContext,
  files: Files,
  options: { readonly index?: string | undefined; readonly extraIndexes?: string | undefined } = {},
): Readonly<Record<string, string>> {
  for (const folder of ['home', 'tmp']) files.of(context).scratch.makeFolders(folder);
  const home = `${context.paths.scratch}/home`;
  return {
    // Tools wrap lines at the width of the terminal, which would break the patterns for their output.
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
    // A variable instead of an option, because a URL may contain a password and every process can see arguments.
    ...(options.index !== undefined && { PIP_INDEX_URL: options.index }),
    ...(options.extraIndexes !== undefined && { PIP_EXTRA_INDEX_URL: options.extraIndexes }),
  };
}

/**
 * The folders of the headers and libraries of the slug's Python, for packages that compile. They come before those of earlier
 * buildpacks.
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

/** Like `readableLine`, and replaces the build folder of the app with its path at run time. */
export const readableLineOf = ({ paths }: RunContext, text: string): string =>
  readableLine(text).replaceAll(paths.app, PUBLIC_APP_DIR);

/** Removes passwords, and the folder of packages that are already installed, which only makes lines long. */
export function readableLine(text: string): string {
  return maskUserinfo(text.replace(/^(Requirement already satisfied: .*?) in \S*site-packages\b/, '$1'));
}
