// The failures of the kind `fetch-tool`.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import type { ToolName } from '../../manifests/catalogue/tools.js';
import { TROUBLE_TITLES } from '../shared/logs/install-log-patterns.js';
import { judgeInstallLog } from '../shared/logs/install-log.js';
import { lastLines } from '../shared/python/failures.js';

export const unknownToolVersion = (tool: string, version: string, known: readonly string[]): Failure => ({
  code: 'fetch-tool::unknown-version',
  blame: 'pipeline',
  title: `pyflow has no digests for ${tool} ${version}`,
  detail: `pyflow installs tools only by digest. It knows these versions of ${tool}: ${known.join(', ')}.`,
  remedy: 'Remove `version`, or set it to one of these.',
});

export const noLockForPython = (tool: string, version: string, minor: string): Failure => ({
  code: 'fetch-tool::unknown-python',
  blame: 'internal',
  title: `pyflow has no digests for ${tool} ${version} on Python ${minor}`,
  detail: 'A tool has different dependencies on each minor version of Python, so each has a separate list.',
  remedy: 'Use a newer pyflow or another version of Python. In a checkout of pyflow, run `npm run tool-locks`.',
});

export const noBundledPip = (folder: string): Failure => ({
  code: 'internal-error::bundled-pip-not-found',
  blame: 'internal',
  title: 'The Python runtime has no bundled pip',
  detail: `${folder} contains no pip wheel, which pyflow needs to install tools.`,
  remedy: 'Run again with `--refresh` for the runtime, or use another provider of runtimes.',
});

/** The codes of the original buildpack, which installs setuptools together with pip. */
const CODES = {
  pip: 'install-package-manager::pip',
  pipenv: 'install-package-manager::pipenv',
  poetry: 'install-package-manager::poetry',
  setuptools: 'install-package-manager::pip',
  uv: 'install-package-manager::uv',
} as const satisfies Readonly<Record<ToolName, string>>;

export function toolInstallFailed(tool: ToolName, version: string, exit: CommandExit): Failure {
  const { trouble, errors } = judgeInstallLog(exit.lines);
  const isTampered = exit.lines.some((line) => line.includes('DO NOT MATCH THE HASHES'));
  return {
    code: CODES[tool],
    blame: 'environment',
    title: `${tool} ${version} could not be installed${
      trouble
        ? `: ${TROUBLE_TITLES[trouble.kind]}`
        : isTampered
          ? ': the package index sent a file with another digest'
          : ''
    }`,
    detail: [...new Set([...errors, ...(trouble ? [trouble.line] : [])])].join('\n') || lastLines(exit),
    ...(errors[0] !== undefined && { subject: errors[0] }),
    remedy: isTampered
      ? 'The file was changed at the index (PYFLOW_INDEX) or on the way. Do not use it, and find out who changed it.'
      : 'Try again later. If it fails again, check that the package index (PYFLOW_INDEX, or the default one) is reachable and has this version.',
    ...(!isTampered && { retryable: true }),
  };
}
