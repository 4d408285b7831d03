// Codes of failures for which `pyflow fix` has a patch whenever they occur. Imports nothing, because the shortest run loads it.

export const SURELY_PATCHED: ReadonlySet<string> = new Set([
  'checks::existing-python-dir',
  'checks::existing-venv-dir',
  'package-manager::pipenv-missing-lockfile',
  'package-manager::setup-py-only',
  'python-version-file::invalid-encoding',
  'python-version-file::misspelled',
  'python-version-file::multiple-versions',
  'python-version-file::no-version',
  'python-version-file::not-found',
  'runtime-txt::invalid-version',
  'runtime-txt::not-supported',
]);
