// Makes the package manager available to scripts of the app during the build: its program on the path, and variables that
// tell it to use the Python of the slug.

import type { Files, RunContext } from '../../../engine/sdk.js';
import { pythonToolCommand } from '../install/tool-command.js';
import { findPython, pythonHome } from '../python/home.js';

interface ManagerEnvironment {
  /** Folders to put on the path before that of Python. */
  readonly path: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

const NONE: ManagerEnvironment = { path: [], variables: {} };

/** Poetry and uv are on the path only if the node has their tool trees as inputs. */
export function managerEnvironment(
  context: RunContext,
  files: Files,
  manager: string | undefined,
  vendorDir: string,
): ManagerEnvironment {
  const python = `${context.paths.app}/${pythonHome(vendorDir)}`;
  switch (manager) {
    case 'pip':
      return { path: [], variables: { PIP_DISABLE_PIP_VERSION_CHECK: '1' } };
    case 'pipenv':
      return {
        path: [`${python}/pipenv/bin`],
        variables: { PIPENV_SYSTEM: '1', PIPENV_VERBOSITY: '-1', VIRTUAL_ENV: python },
      };
    case 'poetry': {
      const folder = writePoetry(context, files, vendorDir);
      return {
        path: folder === undefined ? [] : [folder],
        variables: { POETRY_VIRTUALENVS_CREATE: 'false', POETRY_VIRTUALENVS_USE_POETRY_PYTHON: 'true' },
      };
    }
    case 'uv': {
      const tool = context.paths.tools['uv'];
      return {
        path: tool === undefined ? [] : [`${tool}/bin`],
        variables: {
          UV_PROJECT_ENVIRONMENT: python,
          UV_NO_MANAGED_PYTHON: '1',
          UV_PYTHON_DOWNLOADS: 'never',
          // uv's cache and the app may be on different file systems, and files of the app must not be links into a cache.
          UV_LINK_MODE: 'copy',
        },
      };
    }
    default:
      return NONE;
  }
}

/** The folder with the program `poetry`, as commands see it. */
function writePoetry(context: RunContext, files: Files, vendorDir: string): string | undefined {
  const python = findPython(files.of(context).app, vendorDir);
  if (context.paths.tools['poetry'] === undefined || !python.ok) return undefined;
  const { argv } = pythonToolCommand(context, files, 'poetry', python.value);
  const folder = 'tools/bin';
  files.of(context).given.write(`${folder}/poetry`, `#!/bin/sh\nexec ${argv.map(quote).join(' ')} "$@"\n`, 0o755);
  return `${context.paths.given}/${folder}`;
}

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
