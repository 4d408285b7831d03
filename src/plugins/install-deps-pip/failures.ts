// The failures that the kind `install-deps-pip` raises.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import type { RequirementsProblem } from '../../manifests/app/requirements.js';
import { lastLines } from '../shared/failures.js';
import { judgeInstallLog } from '../shared/install-log.js';
import { TROUBLE_TITLES } from '../shared/install-log-patterns.js';
import { withoutUserinfo } from '../shared/index-url.js';

/** Lines around the hashes, so that expected and found digest both show. */
const HASH_LINES = 12;

/** The files do not hang together; found before pip runs, as pip would find it. */
export const unreadableRequirements = (problems: readonly RequirementsProblem[]): Failure => ({
  code: 'install-dependencies::pip',
  blame: 'app',
  title:
    problems.length === 1
      ? 'The requirements cannot be read'
      : `The requirements cannot be read, for ${problems.length} reasons`,
  detail: problems.map(describeProblem).join('\n'),
  remedy: 'Correct the named lines. Files that requirements include must be part of the app and be pushed with it.',
});

function describeProblem({ type, file, line, path }: RequirementsProblem): string {
  const where = file === undefined ? '' : `${file}${line === undefined ? '' : `, line ${line}`}: `;
  const shown = withoutUserinfo(path);
  switch (type) {
    case 'missing-file':
      return `${where}there is no file \`${shown}\`.`;
    case 'outside-app':
      return `${where}\`${shown}\` lies outside the app, where a build may not look.`;
    case 'loop':
      return `${where}\`${shown}\` includes itself, directly or by others.`;
    case 'too-deep':
      return `${where}\`${shown}\` is included too deep.`;
    case 'too-many-files':
      return `${where}\`${shown}\` is one file too many.`;
  }
}

/** `elsewhere`: what the index says when asked again. */
export function pipFailed(command: string, exit: CommandExit, elsewhere: readonly string[]): Failure {
  const { cause, trouble, errors } = judgeInstallLog(exit.lines, elsewhere);
  const detail = (lines: readonly string[]): string => lines.join('\n') || lastLines(exit);
  if (cause !== undefined) {
    return {
      code: 'install-dependencies::pip',
      blame: 'app',
      title: cause.title,
      detail: detail([`Known cause: ${cause.id}`, ...errors]),
      remedy: cause.remedy,
    };
  }
  if (trouble !== undefined) {
    return {
      code: 'install-dependencies::pip',
      blame: 'environment',
      title: `pip could not install the dependencies: ${TROUBLE_TITLES[trouble.kind]}`,
      detail: detail([...new Set([trouble.line, ...errors])]),
      remedy:
        trouble.kind === 'disk-full'
          ? 'Make room on the disk that holds the cache folder, then try again.'
          : 'Try again in a while; if it stays, check the package index and the way to it.',
      retryable: true,
    };
  }
  const hashes = exit.lines.findIndex((line) => line.includes('DO NOT MATCH THE HASHES'));
  if (hashes !== -1) {
    return {
      code: 'install-dependencies::pip',
      blame: 'app',
      title: 'A package does not have the digest that the requirements demand',
      detail: exit.lines.slice(hashes, hashes + HASH_LINES).join('\n'),
      remedy:
        'If you changed the version, write its new hashes into the requirements file. If not, somebody changed the file at the index: do not install it before you know why.',
    };
  }
  return {
    code: 'install-dependencies::pip',
    blame: 'app',
    title: 'pip could not install the dependencies',
    detail: detail([`Command: ${command}, status ${exit.exitCode}`, ...errors]),
    remedy: 'The log above tells which package was the problem. Correct the requirements, then try again.',
  };
}

export const privatePathLeft = (found: readonly { readonly path: string; readonly text: string }[]): Failure => ({
  code: 'install-dependencies::private-path',
  blame: 'internal',
  title: 'Installed packages name a folder that exists during the build only',
  detail: found
    .slice(0, 10)
    .map(({ path, text }) => `${path}: ${text}`)
    .join('\n'),
  remedy:
    'Report this with the names of the packages. `cache: never` on the node does not help: the slug would be wrong.',
});
