// The failures that the kind `fetch-tool` raises.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import type { ToolName } from '../../manifests/catalogue/tools.js';
import { TROUBLE_TITLES } from '../shared/logs/install-log-patterns.js';
import { judgeInstallLog } from '../shared/logs/install-log.js';
import { lastLines } from '../shared/python/failures.js';

export const unknownToolVersion = (tool: string, version: string, known: readonly string[]): Failure => ({
  code: 'fetch-tool::unknown-version',
  blame: 'pipeline',
  title: `pyflow does not know the files of ${tool} ${version}`,
  detail: `Tools are installed by digest only; known versions of ${tool}: ${known.join(', ')}.`,
  remedy: 'Leave `version` out, or name one of the known versions.',
});

export const noLockForPython = (tool: string, version: string, minor: string): Failure => ({
  code: 'fetch-tool::unknown-python',
  blame: 'internal',
  title: `pyflow does not know the files of ${tool} ${version} for Python ${minor}`,
  detail: 'What a tool depends on differs between minor versions of Python, so each has a list of its own.',
  remedy: 'Take a newer pyflow, or another version of Python. In a checkout of pyflow: `npm run tool-locks`.',
});

export const noBundledPip = (folder: string): Failure => ({
  code: 'internal-error::bundled-pip-not-found',
  blame: 'internal',
  title: 'The Python runtime has no bundled pip',
  detail: `There is no pip wheel in ${folder}, so nothing can install the tool.`,
  remedy: 'Run again with `--refresh` for the runtime; another provider of the runtime may do as well.',
});

/** As the ancestor, which installs setuptools with pip. */
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
          ? ': the package index gave a file of another digest'
          : ''
    }`,
    detail: [...new Set([...errors, ...(trouble ? [trouble.line] : [])])].join('\n') || lastLines(exit),
    ...(errors[0] !== undefined && { subject: errors[0] }),
    remedy: isTampered
      ? 'The file was changed on its way or at the index (PYFLOW_INDEX). Do not use it; find out who changed it.'
      : 'Try again in a while; if it stays, check that the package index (PYFLOW_INDEX, else the default one) can be reached and has this version.',
    ...(!isTampered && { retryable: true }),
  };
}
