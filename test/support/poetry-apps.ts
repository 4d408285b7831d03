// Small apps that the real Poetry locked against a test index.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { POETRY_DRIVER } from '../../src/plugins/shared/poetry/command.js';
import type { PackageIndex } from './package-index.js';

export type Files = Readonly<Record<string, string>>;

export interface PoetryApp {
  readonly dependencies: readonly string[];
  /** Dependencies in the group `dev`. */
  readonly dev?: readonly string[];
  readonly requiresPython?: string;
  /** The app is a package. */
  readonly isPackage?: true;
  /** More lines of `[project]`. */
  readonly project?: string;
  /** More text of pyproject.toml, after `[tool.poetry]`. */
  readonly more?: string;
  /** More files of the app. */
  readonly files?: Files;
  /** The app names the index as a source; otherwise the index replaces the default one. */
  readonly ownSource?: true;
  /** Folder of the project, relative to the app. */
  readonly root?: string;
}

const list = (names: readonly string[]): string => `[${names.map((name) => `"${name}"`).join(', ')}]`;

export function poetryProject(index: PackageIndex, app: PoetryApp): Files {
  const { dependencies, dev, requiresPython = '>=3.10', project = '', more = '', files = {}, root = '.' } = app;
  return {
    ...files,
    [join(root, 'pyproject.toml')]: `[project]
name = "shop"
version = "0.1.0"
requires-python = "${requiresPython}"
dependencies = ${list(dependencies)}
${project}
${dev === undefined ? '' : `[dependency-groups]\ndev = ${list(dev)}\n`}
[tool.poetry]
package-mode = ${app.isPackage === true}
${more}
${app.ownSource ? `[[tool.poetry.source]]\nname = "test"\nurl = "${index.url}"\n` : ''}`,
  };
}

/** The same with the lockfile that Poetry makes. `poetryDir`: folder of the tool tree. */
export async function lockedPoetryApp(
  tools: { readonly poetryDir: string; readonly python: string },
  index: PackageIndex,
  app: PoetryApp,
  env: Readonly<Record<string, string>> = {},
): Promise<Files> {
  const files = poetryProject(index, app);
  const { root = '.' } = app;
  const folder = mkdtempSync(join(tmpdir(), 'pyflow-poetry-lock-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, 'app', path)), { recursive: true });
      writeFileSync(join(folder, 'app', path), text);
    }
    writeFileSync(
      join(folder, 'lock.py'),
      `import sys\nsys.path.insert(0, ${JSON.stringify(tools.poetryDir)})\n${POETRY_DRIVER}`,
    );
    const { user, password } = index.login;
    // Poetry checks out repositories into the environment for which it locks, but tests share the Python.
    const environment = join(folder, 'environment');
    await promisify(execFile)(tools.python, ['-I', '-B', '-m', 'venv', '--without-pip', environment]);
    await promisify(execFile)(
      join(environment, 'bin/python'),
      ['-s', '-B', join(folder, 'lock.py'), 'lock', '--no-interaction'],
      {
        cwd: join(folder, 'app', root),
        env: {
          HOME: folder,
          PATH: process.env['PATH'],
          POETRY_HTTP_BASIC_PYPI_PASSWORD: password,
          POETRY_HTTP_BASIC_PYPI_USERNAME: user,
          POETRY_HTTP_BASIC_TEST_PASSWORD: password,
          POETRY_HTTP_BASIC_TEST_USERNAME: user,
          POETRY_KEYRING_ENABLED: 'false',
          POETRY_VIRTUALENVS_CREATE: 'false',
          VIRTUAL_ENV: environment,
          PYFLOW_DEFAULT_INDEX: index.url,
          ...env,
        },
      },
    );
    const lock = readFileSync(join(folder, 'app', root, 'poetry.lock'), 'utf8');
    return { ...files, [join(root, 'poetry.lock')]: asFromDefaultIndex(lock) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Poetry names every source except the default index, which the test index replaces here. */
const asFromDefaultIndex = (lock: string): string =>
  lock.replace(/\n\[package\.source\]\ntype = "legacy"\nurl = "[^"]*"\nreference = "PyPI"\n/g, '');
