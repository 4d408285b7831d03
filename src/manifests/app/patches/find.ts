// Finds the patches that apply to an app as it is now. Looks at its files only: no build is needed, and no network.

import { fieldsOf } from '../fields.js';
import { meetsConstraint } from '../python-constraint.js';
import { parsePythonRequest } from '../python-version.js';
import { readToml } from '../toml-file.js';
import { acceptedMinors, DEFAULT_MINOR } from '../../catalogue/python-releases.js';
import { encodingPatches, lineEndPatches } from './app-files.js';
import { leftoverPatches, managerIn, managerPatch } from './package-manager.js';
import { inFolder, type AppReader, type FixContext, type Patch } from './patch.js';
import { pythonVersionPatch } from './python-version.js';
import { versionFitPatch } from './version-fit.js';
import type { VersionTrace } from '../versions/trace.js';

export interface FindOptions {
  /** The folder of the project, relative to the app; `.` for the app. */
  readonly root: string;
  /** Minor version of the last build, N.N. Absent if it isn't known. */
  readonly lastMinor?: string;
  /** How the build decides the version. Absent if it fails before that. */
  readonly trace?: VersionTrace;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Where the shipped pipeline puts Python. */
const PYTHON_DIR = '.scalingo/python';

/** Other codes that the same patch can answer. */
const SAME_PATCH: Readonly<Record<string, string>> = {
  'hooks::pre_compile': 'hooks::crlf',
  'hooks::post_compile': 'hooks::crlf',
  'detect::not-a-python-app': 'package-manager::none-found',
  'python-version::misfit-refused': 'python-version::misfit',
  'python-version::replaced': 'python-version::none-given',
  'python-version::unknown-major': 'python-version::eol',
};

/** Every code for which there may be a patch, sorted. */
export const PATCHED_CODES: readonly string[] = [
  'checks::existing-python-dir',
  'checks::existing-venv-dir',
  'hooks::crlf',
  'install-dependencies::pip',
  'install-dependencies::pipenv',
  'install-dependencies::poetry',
  'install-dependencies::uv',
  'nltk-downloader',
  'package-manager::none-found',
  'package-manager::pipenv-missing-lockfile',
  'package-manager::setup-py-only',
  'pipfile-lock::invalid-json',
  'profile::crlf',
  'python-version-file::invalid-encoding',
  'python-version-file::invalid-version',
  'python-version-file::misspelled',
  'python-version-file::multiple-versions',
  'python-version-file::no-version',
  'python-version-file::not-found',
  'python-version::eol',
  'python-version::misfit',
  'python-version::none-given',
  'python-version::patch-update',
  'python-version::unknown-patch',
  'runtime-txt::deprecated',
  'runtime-txt::invalid-version',
  'runtime-txt::not-supported',
  ...Object.keys(SAME_PATCH),
].sort();

export function findPatches(app: AppReader, { root, lastMinor, now, trace }: FindOptions): readonly Patch[] {
  const minor = (trace === undefined ? undefined : minorOf(trace.chosen)) ?? lastMinor ?? fittingMinor(app, root, now);
  const context: FixContext = { app, root, now, minor };
  const manager = managerIn(context);
  return [
    ...leftoverPatches(context, PYTHON_DIR),
    managerPatch(context),
    pythonVersionPatch(context, manager) ?? (trace === undefined ? undefined : versionFitPatch(context, trace)),
    ...encodingPatches(context, manager),
    ...lineEndPatches(context),
  ].filter((patch) => patch !== undefined);
}

/** Those of the found patches that answer the code. */
export const patchesFor = (code: string, found: readonly Patch[]): readonly Patch[] =>
  found.filter((patch) => patch.code === code || patch.code === SAME_PATCH[code]);

const minorOf = (version: string): string | undefined => parsePythonRequest(version)?.minor;

/** The default, or the newest version that `requires-python` accepts. */
function fittingMinor(app: AppReader, root: string, now: number): string {
  const bytes = app.read(inFolder(root, 'pyproject.toml'));
  const toml = bytes === undefined ? undefined : readToml(bytes);
  const constraint = toml?.ok === true ? fieldsOf(toml.value['project'])['requires-python'] : undefined;
  if (typeof constraint !== 'string') return DEFAULT_MINOR;
  const fits = (minor: string): boolean => meetsConstraint(`${minor}.99`, constraint) !== false;
  if (fits(DEFAULT_MINOR)) return DEFAULT_MINOR;
  return acceptedMinors(now).findLast(fits) ?? DEFAULT_MINOR;
}
