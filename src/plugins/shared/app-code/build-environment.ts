// The environment in which code of the app runs during the build (hooks, collectstatic, the NLTK download): that of a build
// with the original buildpack, overridden by the variables of the app. Installers of packages don't get it.

import type { Files, RunContext } from '../../../engine/sdk.js';
import { pythonHome } from '../python/home.js';

/** App variables that are never passed on, because they would break the programs of the build. */
const DENIED: ReadonlySet<string> = new Set([
  'PATH',
  'CPATH',
  'CPPATH',
  'LD_PRELOAD',
  'LIBRARY_PATH',
  'LD_LIBRARY_PATH',
  'PYTHONHOME',
]);

/** The app variables that code of the app gets. */
export const allowed = (names: readonly string[]): string[] => names.filter((name) => !DENIED.has(name));

/** Writes one file per variable, as scripts for the buildpack expect. Returns the folder as the script sees it. */
export function writeEnvDir(
  context: RunContext,
  files: Files,
  names: readonly string[] = allowed(context.view.envNames()),
): string {
  const { scratch } = files.of(context);
  scratch.makeFolders('env');
  for (const name of names) {
    const value = context.view.env(name);
    // A name with a slash can't have come from a file of the env folder.
    if (value !== undefined && !name.includes('/')) scratch.write(`env/${name}`, value);
  }
  return `${context.paths.scratch}/env`;
}

/** Variables that `--test` adds, like bin/test-compile of the buildpack. */
const TEST_MODE: Readonly<Record<string, string>> = {
  INSTALL_TEST: '1',
  DISABLE_COLLECTSTATIC: '1',
  LC_ALL: 'C.UTF-8',
};

interface BuildEnvironment {
  readonly vendorDir: string;
  /** The result of `writeEnvDir`. */
  readonly envDir: string;
  /** App variables that may override those set here. Default: all allowed ones. */
  readonly names?: readonly string[];
  /** Folders to put on the path before that of Python. */
  readonly path?: readonly string[];
  /** Variables for this step only. */
  readonly extra?: Readonly<Record<string, string>>;
}

/**
 * Variables to set over those of the context. A value of the app overrides each of them. They depend on the mode of the run, so
 * a kind with stored results must have the mode in its facts.
 */
export function buildEnvironment(
  context: RunContext,
  { vendorDir, envDir, names = allowed(context.view.envNames()), path = [], extra = {} }: BuildEnvironment,
): Record<string, string> {
  const python = `${context.paths.app}/${pythonHome(vendorDir)}`;
  const before = (folder: string, name: string): string => {
    const rest = context.env[name];
    return rest === undefined || rest === '' ? folder : `${folder}:${rest}`;
  };
  const build: Record<string, string> = {
    PATH: before([...path, `${python}/bin`].join(':'), 'PATH'),
    LIBRARY_PATH: before(`${python}/lib`, 'LIBRARY_PATH'),
    LD_LIBRARY_PATH: before(`${python}/lib`, 'LD_LIBRARY_PATH'),
    C_INCLUDE_PATH: before(`${python}/include`, 'C_INCLUDE_PATH'),
    CPLUS_INCLUDE_PATH: before(`${python}/include`, 'CPLUS_INCLUDE_PATH'),
    PKG_CONFIG_PATH: before(`${python}/lib/pkgconfig`, 'PKG_CONFIG_PATH'),
    PYTHONUNBUFFERED: '1',
    // Without it tools wrap error messages at 80 columns.
    COLUMNS: '200',
    LANG: 'en_US.UTF-8',
    HOME: context.paths.app,
    // Otherwise tools would download to HOME, which becomes the slug.
    XDG_CACHE_HOME: `${context.paths.cache}/home`,
    // The folder that becomes the slug, even if the script runs in a subfolder of it.
    BUILD_DIR: context.paths.app,
    CACHE_DIR: context.paths.cache,
    ENV_DIR: envDir,
    ...(context.view.run.mode === 'test' ? TEST_MODE : {}),
    ...extra,
  };
  for (const name of names) {
    const own = context.view.env(name);
    if (own !== undefined && name in build) build[name] = own;
  }
  return build;
}
