// The environment that code of the app runs in while it is built (hooks, collectstatic, the NLTK download): that of the
// buildpack's build, overlaid by the variables of the app. Installers of packages see nothing of it.

import type { Files, RunContext } from '../../../engine/sdk.js';
import { pythonHome } from '../python/home.js';

/** Names that are never taken from the app: they would break the build's own programs. */
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

/** One file a variable, as scripts written for the buildpack expect; returns the folder as the script sees it. */
export function writeEnvDir(
  context: RunContext,
  files: Files,
  names: readonly string[] = allowed(context.view.envNames()),
): string {
  const { scratch } = files.of(context);
  scratch.makeFolders('env');
  for (const name of names) {
    const value = context.view.env(name);
    // A name with a slash cannot have come from a file of the env folder.
    if (value !== undefined && !name.includes('/')) scratch.write(`env/${name}`, value);
  }
  return `${context.paths.scratch}/env`;
}

/** What `--test` adds, as the buildpack's own entry for tests does. */
const TEST_MODE: Readonly<Record<string, string>> = {
  INSTALL_TEST: '1',
  DISABLE_COLLECTSTATIC: '1',
  LC_ALL: 'C.UTF-8',
};

interface BuildEnvironment {
  readonly vendorDir: string;
  /** What `writeEnvDir` gave. */
  readonly envDir: string;
  /** App variables that may replace those set here; all that are allowed unless given. */
  readonly names?: readonly string[];
  /** Folders before that of Python. */
  readonly path?: readonly string[];
  /** For one step alone. */
  readonly extra?: Readonly<Record<string, string>>;
}

/**
 * Variables over those of the context. An app's own value wins over any set here. The mode of the run is part of it, so it
 * belongs into the facts of a kind whose results are restored.
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
    // Without it tools break their lines at 80 columns, in the middle of what went wrong.
    COLUMNS: '200',
    LANG: 'en_US.UTF-8',
    HOME: context.paths.app,
    // Else what tools download would lie below HOME, and go into the slug.
    XDG_CACHE_HOME: `${context.paths.cache}/home`,
    // What becomes the slug, also where the script runs in a folder of it.
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
