// The failures that the kind `install-deps-pip` raises.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import type { RequirementsProblem } from '../../manifests/app/requirements.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { installFailed, type FailedInstall } from '../shared/logs/install-failures.js';

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

/** pip and uv would end with an exception that names no file. */
export const undecodableRequirements = (file: string, encoding: string): Failure => ({
  code: 'install-dependencies::pip',
  blame: 'app',
  title: `${file} is not text in the encoding ${encoding}`,
  detail: `pip decodes ${file} as ${encoding}, and some of its bytes mean nothing there.`,
  remedy: `Save ${file} as UTF-8 and commit it. Or name its encoding in the first line, for example \`# coding: latin-1\`.`,
});

/** `uses`: name and first place. pip would send them to the server as they are written. */
export const variablesUnset = (uses: readonly (readonly [name: string, place: string])[]): Failure => ({
  code: 'install-dependencies::pip',
  blame: 'app',
  title: uses.length === 1 ? `The variable ${uses[0]![0]} is not set` : `${uses.length} variables are not set`,
  detail: uses.map(([name, place]) => `${place}: \${${name}} has no value.`).join('\n'),
  remedy: `Set ${uses.map(([name]) => name).join(' and ')} in the variables of the app (--env-dir), or remove the line that uses them.`,
});

export const pipFailed = (
  tool: 'pip' | 'uv',
  command: string,
  exit: CommandExit,
  elsewhere: readonly string[] = [],
  where: Pick<FailedInstall, 'place' | 'minor'> = {},
): Failure =>
  installFailed({
    code: 'install-dependencies::pip',
    tool,
    command,
    exit,
    elsewhere,
    ...where,
    remedy: 'The log above tells which package was the problem. Correct the requirements, then try again.',
    digestsIn: 'the requirements',
  });

export const installerSkipped = (installer: string): Failure => ({
  code: 'install-deps-pip::no-installer',
  blame: 'pipeline',
  title: `The node is to install with ${installer}, but was given no ${installer}`,
  detail: `Its input \`${installer}\` comes from a node that was skipped.`,
  remedy: `Give the node that fetches ${installer} a \`when\` that holds whenever this node installs with it.`,
});
