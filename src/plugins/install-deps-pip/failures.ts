// The failures of the kind `install-deps-pip`.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import type { RequirementsProblem } from '../../manifests/app/requirements.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { installFailed, type FailedInstall } from '../shared/logs/install-failures.js';

/** The files include missing or forbidden files. Found before pip runs, by the rules of pip. */
export const unreadableRequirements = (problems: readonly RequirementsProblem[]): Failure => ({
  code: 'install-dependencies::pip',
  blame: 'app',
  title:
    problems.length === 1
      ? "pyflow can't read the requirements"
      : `pyflow can't read the requirements: ${problems.length} problems`,
  detail: problems.map(describeProblem).join('\n'),
  remedy: 'Fix these lines. Files that the requirements include must be in the app and committed.',
});

function describeProblem({ type, file, line, path }: RequirementsProblem): string {
  const where = file === undefined ? '' : `${file}${line === undefined ? '' : `, line ${line}`}: `;
  const shown = withoutUserinfo(path);
  switch (type) {
    case 'missing-file':
      return `${where}the file \`${shown}\` does not exist.`;
    case 'outside-app':
      return `${where}\`${shown}\` is outside the app, where a build can't read it.`;
    case 'loop':
      return `${where}\`${shown}\` includes itself, directly or through other files.`;
    case 'too-deep':
      return `${where}\`${shown}\` is nested too deeply.`;
    case 'too-many-files':
      return `${where}the requirements include too many files, so pyflow did not read \`${shown}\`.`;
  }
}

/** Without this check, pip and uv fail with an exception that does not name the file. */
export const undecodableRequirements = (file: string, encoding: string): Failure => ({
  code: 'install-dependencies::pip',
  blame: 'app',
  title: `${file} is not valid ${encoding} text`,
  detail: `pip decodes ${file} as ${encoding}, but some of its bytes are invalid in that encoding.`,
  remedy: `Save ${file} as UTF-8 and commit it, or name its encoding in the first line, for example \`# coding: latin-1\`.`,
});

/** `uses`: name and first place. pip would send the unexpanded text to the server. */
export const variablesUnset = (uses: readonly (readonly [name: string, place: string])[]): Failure => ({
  code: 'install-dependencies::pip',
  blame: 'app',
  title: uses.length === 1 ? `The variable ${uses[0]![0]} is not set` : `${uses.length} variables are not set`,
  detail: uses.map(([name, place]) => `${place}: \${${name}} has no value.`).join('\n'),
  remedy: `Set ${uses.map(([name]) => name).join(' and ')} in the app's variables (--env-dir), or remove the line that uses them.`,
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
    remedy: 'The log above shows which package caused the problem. Fix the requirements and try again.',
    digestsIn: 'the requirements',
  });

export const installerSkipped = (installer: string): Failure => ({
  code: 'install-deps-pip::no-installer',
  blame: 'pipeline',
  title: `The node needs ${installer}, but its input \`${installer}\` is empty`,
  detail: 'The node that feeds this input was skipped.',
  remedy: `Change the \`when\` of the node that fetches ${installer}, so that it is true whenever this node runs.`,
});
