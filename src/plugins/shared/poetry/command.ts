// Runs Poetry from its tool tree, for the slug's Python, isolated from the configuration of the machine.

import type { CommandExit, Files, PackageAccess, Result, RunContext, Services } from '../../../engine/sdk.js';
import { inRoot } from '../app/root.js';
import { cleanCache } from '../install/clean-cache.js';
import { hasUserinfo, withoutUserinfo } from '../install/index-url.js';
import { planPackages } from '../install/package-plan.js';
import { runInstaller } from '../install/run-installer.js';
import { pythonToolCommand } from '../install/tool-command.js';
import { compilerEnvironment, isolatedEnvironment } from '../pip/command.js';
import { PUBLIC_APP_DIR, type SlugPython } from '../python/home.js';
import { readablePoetryLine } from './output.js';

/**
 * Starts Poetry so that it reads its default index like any other index. Poetry has no setting for a mirror (it ignores settings
 * of pip, and another source in pyproject.toml would invalidate the lock), and it reads the default index through an API that
 * mirrors often lack. Poetry checks the locked digests for files of any index.
 */
export const POETRY_DRIVER = `import os, sys
from poetry.console import application
from poetry.factory import Factory
from poetry.repositories.legacy_repository import LegacyRepository
from poetry.repositories.pypi_repository import PyPiRepository

create = Factory.create_package_source


def create_package_source(source, config, disable_cache=False):
    repository = create(source, config, disable_cache=disable_cache)
    if not isinstance(repository, PyPiRepository):
        return repository
    url = os.environ.get('PYFLOW_DEFAULT_INDEX') or repository.url
    # Otherwise Poetry sends user and password for the pages of the index, but not for its files.
    config.merge({'repositories': {repository.name: {'url': url}}})
    pool_size = config.installer_max_workers
    return LegacyRepository(repository.name, url, config=config, disable_cache=disable_cache, pool_size=pool_size)


Factory.create_package_source = staticmethod(create_package_source)
sys.argv[0] = 'poetry'
sys.exit(application.main())
`;

interface PoetryRun {
  readonly python: SlugPython;
  /** Folder of the project, in the form of `rootSchema`. */
  readonly root: string;
  readonly args: readonly string[];
  /** If false, Poetry installs one package at a time. */
  readonly parallel?: boolean;
  /** URL of the default index, possibly with user and password. */
  readonly index?: string | undefined;
  /** Leads Poetry to the package gateway. */
  readonly access: PackageAccess;
  /** Gets every line before it is logged. */
  readonly onLine?: (text: string) => void;
}

/** `root`: folder of the project. */
export async function openPoetryGate(
  { packages, host }: Pick<Services, 'host' | 'packages'>,
  context: RunContext,
  root: string,
): Promise<PackageAccess> {
  const from = ['poetry.lock', 'pyproject.toml', 'poetry.toml'].map((file) => inRoot(root, file));
  return packages.open(context, await planPackages(context.view, { index: host.setting('INDEX'), from }));
}

/** The folder for archives that Poetry downloads and wheels that it builds from them, in the node's cache folder. */
export const ARTIFACTS = 'poetry/artifacts';

export async function runPoetry(
  { subprocess, files }: Pick<Services, 'files' | 'subprocess'>,
  context: RunContext,
  { python, root, args, parallel, index, access, onLine }: PoetryRun,
): Promise<Result<CommandExit>> {
  const home = `${context.paths.app}/${python.home}`;
  const tool = pythonToolCommand(context, files, 'poetry', python);
  files.of(context).given.write('poetry/run.py', POETRY_DRIVER);
  return runInstaller(subprocess, context, {
    // No -I: it ignores the hash seed, and then the order of Poetry's output differs between runs.
    argv: [
      `${tool.environment}/bin/python`,
      '-s',
      '-B',
      `${context.paths.given}/poetry/run.py`,
      ...args,
      '--no-ansi',
      '--no-interaction',
      '--no-plugins',
    ],
    root,
    env: {
      ...compilerEnvironment(context, home),
      ...isolatedEnvironment(context, files),
      ...poetryEnvironment(context, files, home),
      ...indexEnvironment(index === undefined ? undefined : access.indexUrl(index)),
      ...access.env,
      ...(parallel === false && { POETRY_INSTALLER_PARALLEL: 'false' }),
    },
    line(text) {
      onLine?.(text);
      return readablePoetryLine(text)?.replaceAll(context.paths.app, PUBLIC_APP_DIR);
    },
  });
}

/**
 * Variables override the poetry.toml of the app, so this sets all options for locations. The slug's Python is set as the active
 * environment, so that Poetry looks for installed packages there, and not in its own interpreter.
 */
function poetryEnvironment(context: RunContext, files: Files, python: string): Readonly<Record<string, string>> {
  const { cache, scratch } = files.of(context);
  cleanCache(cache, 'poetry', () => cache.makeFolders(ARTIFACTS));
  cache.makeFolders(ARTIFACTS);
  // Only the archives stay in the cache. What Poetry caches about an index may be outdated, or from another index.
  scratch.symlink(`${context.paths.cache}/${ARTIFACTS}`, 'poetry/cache/artifacts');
  const home = `${context.paths.scratch}/home`;
  return {
    POETRY_CACHE_DIR: `${context.paths.scratch}/poetry/cache`,
    POETRY_CONFIG_DIR: `${home}/.config/pypoetry`,
    POETRY_DATA_DIR: `${home}/.local/share/pypoetry`,
    POETRY_HOME: `${home}/.local/share/pypoetry`,
    POETRY_KEYRING_ENABLED: 'false',
    POETRY_REQUESTS_MAX_RETRIES: '2',
    POETRY_VIRTUALENVS_CREATE: 'false',
    POETRY_VIRTUALENVS_IN_PROJECT: 'false',
    POETRY_VIRTUALENVS_PATH: `${context.paths.scratch}/poetry/environments`,
    VIRTUAL_ENV: python,
  };
}

/** Passes user and password in separate variables, so that no URL that Poetry prints contains them. */
function indexEnvironment(index: string | undefined): Readonly<Record<string, string>> {
  if (index === undefined) return {};
  if (!hasUserinfo(index)) return { PYFLOW_DEFAULT_INDEX: index };
  const [, user = '', password = ''] = /\/\/([^/?#@:]*)(?::([^/?#]*))?@/.exec(index) ?? [];
  return {
    PYFLOW_DEFAULT_INDEX: withoutUserinfo(index),
    POETRY_HTTP_BASIC_PYPI_USERNAME: decoded(user),
    POETRY_HTTP_BASIC_PYPI_PASSWORD: decoded(password),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
