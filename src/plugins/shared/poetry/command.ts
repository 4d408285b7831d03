// How Poetry is run: out of its tool tree, into the slug's Python, and isolated from every configuration of the machine.

import type { CommandExit, Files, Result, RunContext, Services } from '../../../engine/sdk.js';
import { cleanCache } from '../install/clean-cache.js';
import { hasUserinfo, withoutUserinfo } from '../install/index-url.js';
import { runInstaller } from '../install/run-installer.js';
import { pythonToolCommand } from '../install/tool-command.js';
import { compilerEnvironment, isolatedEnvironment } from '../pip/command.js';
import { PUBLIC_APP_DIR, type SlugPython } from '../python/home.js';
import { readablePoetryLine } from './output.js';

/**
 * Starts Poetry with its default index read in the way of every index. Poetry itself knows no mirror of it (settings of
 * pip mean nothing to it, and another source in pyproject.toml makes the lock one of another project), and reads it by an
 * interface that mirrors often do not have. Locked digests are checked whatever the files come from.
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
    # Else user and password would be sent for its pages and not for its files.
    config.merge({'repositories': {repository.name: {'url': url}}})
    pool_size = config.installer_max_workers
    return LegacyRepository(repository.name, url, config=config, disable_cache=disable_cache, pool_size=pool_size)


Factory.create_package_source = staticmethod(create_package_source)
sys.argv[0] = 'poetry'
sys.exit(application.main())
`;

interface PoetryRun {
  readonly python: SlugPython;
  /** Folder of the project, as `rootSchema` spells it. */
  readonly root: string;
  readonly args: readonly string[];
  /** False: one package after the other. */
  readonly parallel?: boolean;
  /** URL of the default index, maybe with user and password. */
  readonly index?: string | undefined;
  /** Sees every line before it is logged. */
  readonly onLine?: (text: string) => void;
}

/** Archives that Poetry downloaded, and wheels that it built from them; in the node's cache folder. */
export const ARTIFACTS = 'poetry/artifacts';

export async function runPoetry(
  { subprocess, files }: Pick<Services, 'files' | 'subprocess'>,
  context: RunContext,
  { python, root, args, parallel, index, onLine }: PoetryRun,
): Promise<Result<CommandExit>> {
  const home = `${context.paths.app}/${python.home}`;
  const tool = pythonToolCommand(context, files, 'poetry', python);
  files.of(context).given.write('poetry/run.py', POETRY_DRIVER);
  return runInstaller(subprocess, context, {
    // No -I: it would ignore the hash seed, and with it the order of what Poetry writes would be another every time.
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
      ...indexEnvironment(index),
      ...(parallel === false && { POETRY_INSTALLER_PARALLEL: 'false' }),
    },
    line(text) {
      onLine?.(text);
      return readablePoetryLine(text)?.replaceAll(context.paths.app, PUBLIC_APP_DIR);
    },
  });
}

/**
 * Variables win over poetry.toml, which is the app's: what says where things are put must be said here. The slug's Python
 * is given as an active environment, so that Poetry asks that interpreter, and not itself, what is installed.
 */
function poetryEnvironment(context: RunContext, files: Files, python: string): Readonly<Record<string, string>> {
  const { cache, scratch } = files.of(context);
  cleanCache(cache, 'poetry', () => cache.makeFolders(ARTIFACTS));
  cache.makeFolders(ARTIFACTS);
  // Of its cache only the archives are kept: what it remembers of an index may be another index's, or old.
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

/** User and password go where Poetry looks for them, and so into no URL that it might print. */
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
