// The file `export` beside `bin`: later buildpacks of the same build source it to find the app's Python.

import { accessSync, constants, lstatSync, mkdirSync, realpathSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { RunReport } from '../../engine/events.js';
import { publishFile } from '../../engine/files/sealed-json.js';
import { writeManagerCommand } from './manager-command.js';
import type { Places } from './places.js';
import { quote } from '../shell.js';
import { removeFile } from '../../engine/files/remove-tree.js';

/** Where the app will run. */
const APP = '/app';

export const exportFile = ({ home }: Pick<Places, 'home'>): string => join(home, 'export');

/** More lines, by package manager. */
const MANAGER_LINES: Readonly<Record<string, readonly string[]>> = {
  pip: ['export PIP_DISABLE_PIP_VERSION_CHECK=1'],
  pipenv: [
    'export PATH="$PYTHONHOME/pipenv/bin${PATH:+:$PATH}"',
    'export PIPENV_SYSTEM=1',
    'export PIPENV_VERBOSITY=-1',
    'export VIRTUAL_ENV="$PYTHONHOME"',
  ],
  poetry: ['export POETRY_VIRTUALENVS_CREATE=false', 'export POETRY_VIRTUALENVS_USE_POETRY_PYTHON=true'],
  uv: [
    'export UV_PROJECT_ENVIRONMENT="$PYTHONHOME"',
    'export UV_NO_MANAGED_PYTHON=1',
    'export UV_PYTHON_DOWNLOADS=never',
    'export UV_LINK_MODE=copy',
  ],
};

interface ExportOptions {
  readonly buildDir: string;
  readonly report: Pick<RunReport, 'nodes' | 'buildData'>;
  /** The store of the run. */
  readonly cacheDir: string;
  /** Where the app will run; `/app` but for tests. */
  readonly appDir?: string;
}

/** Returns false if the file is not writable. */
export function writeExport(places: Places, { buildDir, report, cacheDir, appDir = APP }: ExportOptions): boolean {
  const { vendorDir, root } = places;
  const isLinked = linkPython(buildDir, appDir, vendorDir);
  const python = join(isLinked ? appDir : buildDir, vendorDir, 'python');
  const hasNltkData = lstatSync(join(buildDir, vendorDir, 'python/nltk_data'), { throwIfNoEntry: false }) !== undefined;
  const commands = writeManagerCommand(places, { report, python, cacheDir });
  const lines = [
    `export PYTHONHOME=${quote(python)}`,
    ...(commands === undefined ? [] : [`export PATH=${quote(commands)}"\${PATH:+:$PATH}"`]),
    ...(MANAGER_LINES[String(report.buildData['package_manager'])] ?? []),
    ...(hasNltkData ? ['export NLTK_DATA="$PYTHONHOME/nltk_data"'] : []),
    'export PATH="$PYTHONHOME/bin${PATH:+:$PATH}"',
    'export PYTHONUNBUFFERED=true',
    'export LIBRARY_PATH="$PYTHONHOME/lib${LIBRARY_PATH:+:$LIBRARY_PATH}"',
    'export LD_LIBRARY_PATH="$PYTHONHOME/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"',
    'export LANG="${LANG:-en_US.UTF-8}"',
    `if [ -z "\${PYTHONPATH:-}" ]; then export PYTHONPATH=${quote(join(buildDir, root))}; fi`,
  ];
  return publishFile(exportFile(places), `${lines.join('\n')}\n`);
}

/**
 * What later buildpacks install must work where the app runs, so they should use the Python under its path there. Returns
 * true if that path exists in `/app`: because the build happens there, or through a link if `/app` is writable.
 */
function linkPython(buildDir: string, appDir: string, vendorDir: string): boolean {
  const link = join(appDir, vendorDir, 'python');
  const temporary = `${link}.${process.pid}.tmp`;
  try {
    const realBuildDir = realpathSync(buildDir);
    if (realBuildDir === realpathSync(appDir)) return true;
    accessSync(appDir, constants.W_OK);
    const found = lstatSync(link, { throwIfNoEntry: false });
    if (found !== undefined && !found.isSymbolicLink()) return false;
    mkdirSync(join(appDir, vendorDir), { recursive: true });
    symlinkSync(join(realBuildDir, vendorDir, 'python'), temporary);
    renameSync(temporary, link);
    return true;
  } catch {
    removeFile(temporary);
    return false;
  }
}
