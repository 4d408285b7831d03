// What scripts of the app find of its package manager while it is built: the program on the path, and the variables that
// tell it to use the Python of the slug. Unaware of who runs the scripts.

import type { Files, RunContext } from '../../../engine/sdk.js';
import { pythonToolCommand } from '../install/tool-command.js';
import { minorOfPython, pythonHome } from '../python/home.js';

interface ManagerEnvironment {
  /** Folders before that of Python. */
  readonly path: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

const NONE: ManagerEnvironment = { path: [], variables: {} };

/** Poetry and uv are on the path only when the node was given their tool trees. */
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
      const folder = writePoetry(context, files, pythonHome(vendorDir));
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
          // Its cache and the app may lie on different file systems, and nothing of the app may be linked to a cache.
          UV_LINK_MODE: 'copy',
        },
      };
    }
    default:
      return NONE;
  }
}

/** The folder that has the program `poetry`, as commands see it. */
function writePoetry(context: RunContext, files: Files, home: string): string | undefined {
  const minor = minorOfPython(files.of(context).app, home);
  if (context.paths.tools['poetry'] === undefined || minor === undefined) return undefined;
  const { argv } = pythonToolCommand(context, files, 'poetry', { home, minor });
  const folder = 'tools/bin';
  files.of(context).given.write(`${folder}/poetry`, `#!/bin/sh\nexec ${argv.map(quote).join(' ')} "$@"\n`, 0o755);
  return `${context.paths.given}/${folder}`;
}

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
