// The failures of the kind `package-manager`: no package manager, several, or a folder that is in the way of the install.

import type { Failure } from '../../engine/sdk.js';
import { DEFAULT_MINOR } from '../../manifests/catalogue/python-releases.js';
import { inRoot, rootName } from '../shared/app/root.js';

const ONE_OF =
  'requirements.txt (pip), Pipfile.lock (Pipenv), poetry.lock (Poetry), uv.lock (uv) or pylock.toml (any tool that writes it)';

export const existingPythonDir = (directory: string, contents: string): Failure => ({
  code: 'checks::existing-python-dir',
  blame: 'app',
  title: `The app already contains ${directory}`,
  detail: [
    `pyflow installs the runtime and the packages into ${directory}, so the app must not contain it.`,
    contents,
  ].join('\n'),
  remedy: [
    `If it is committed, run \`git rm -r --cached ${directory}\`, add it to .gitignore and commit.`,
    'If bin/pre_compile or an earlier build step created it, change that step, and make sure that only one step sets up Python.',
  ].join('\n'),
});

export const existingVenv = (directory: string, contents: string): Failure => ({
  code: 'checks::existing-venv-dir',
  blame: 'app',
  title: `The app contains a virtual environment, ${directory}`,
  subject: directory,
  detail: [
    'A virtual environment works only on the machine and in the folder that it was created for, and would hide the packages of the build.',
    contents,
  ].join('\n'),
  remedy: [
    'Remove it from Git:',
    `1. git rm -r --cached ${directory}`,
    `2. Add the line ${directory}/ to .gitignore`,
    '3. git add .gitignore',
    `4. git commit -m "Stop tracking ${directory}"`,
  ].join('\n'),
});

export const pipenvMissingLockfile = (root: string): Failure => ({
  code: 'package-manager::pipenv-missing-lockfile',
  blame: 'app',
  title: `Pipfile.lock not found${at(root)}`,
  detail:
    'The app has a Pipfile. Without a lockfile each build may get other versions of the packages, so apps with Pipenv must have one.',
  remedy: [
    'Run `pipenv lock` and commit Pipfile.lock. Check that Git does not ignore it.',
    'If the app no longer uses Pipenv, delete the Pipfile and use another tool, for example uv.',
  ].join('\n'),
});

export const setupPyOnly = (root: string): Failure => ({
  code: 'package-manager::setup-py-only',
  blame: 'app',
  title: `No file of a package manager was found beside setup.py${at(root)}`,
  detail: `pyflow does not install from setup.py alone. The app needs one of ${ONE_OF} in ${rootName(root)}.`,
  remedy: [
    'To install what setup.py declares, commit a requirements.txt with this line:',
    '  --editable .',
    'Or switch to a tool with a lockfile, for example uv.',
  ].join('\n'),
});

/** A pyproject.toml with a project, without a lockfile. */
export interface UnlockedProject {
  readonly dependencies: number;
  /** The tool that the file has settings for. */
  readonly tool: 'poetry' | 'pdm' | 'uv' | undefined;
  /** Files such as pylock.web.toml. */
  readonly named: readonly string[];
}

const WAYS = {
  uv: (minor: string) => `With uv: \`uv lock\` and \`uv python pin ${minor}\`. Commit uv.lock and .python-version.`,
  poetry: () => 'With Poetry: `poetry lock`. Commit poetry.lock.',
  pdm: () => 'With PDM: `pdm lock`, then `pdm export --format pylock --output pylock.toml`. Commit pylock.toml.',
  pip: () =>
    'With pip: `pip lock .` on the platform and Python of the build, or `uv pip compile --universal pyproject.toml --output-file pylock.toml` on any. Commit pylock.toml.',
} as const;

export const pyprojectOnly = (root: string, { dependencies, tool, named }: UnlockedProject): Failure => {
  const order = tool === undefined ? (['uv', 'poetry', 'pip'] as const) : ([tool] as const);
  const ways = order.map((way) => WAYS[way](DEFAULT_MINOR));
  const count = dependencies === 1 ? 'one dependency' : `${dependencies} dependencies`;
  return {
    code: 'package-manager::pyproject-only',
    blame: 'app',
    title: `The project in ${inRoot(root, 'pyproject.toml')} has no lockfile`,
    subject: tool ?? 'none',
    detail: [
      `The file lists ${dependencies === 0 ? 'no dependencies' : count}, but not the versions to install. Without a lockfile each build may get other versions.`,
      `pyflow installs from one of ${ONE_OF}.`,
      ...named.map((name) => `pyflow does not choose ${inRoot(root, name)} by itself, because of its name.`),
    ].join('\n'),
    remedy: [
      ...named.map((name) => `Rename ${inRoot(root, name)} to pylock.toml if the app is to be built from it.`),
      `In ${rootName(root)}, ${ways.length === 1 ? 'create the lockfile' : 'create a lockfile with one of these tools'}:`,
      ...ways.map((way) => `- ${way}`),
      'To install what the file lists without a lockfile, commit a requirements.txt with this line instead:',
      '  --editable .',
    ].join('\n'),
  };
};

export function noneFound(
  root: string,
  misspelt: readonly string[],
  listing: string,
  notes: readonly LockOfOthers[],
): Failure {
  const instead = misspelt.map(
    (name) => `pyflow ignores ${inRoot(root, name)} because of its name. Rename it to requirements.txt.`,
  );
  const orAbove = root === '.' ? '' : ' or in a folder above it';
  if (notes.length > 0) return lockOfOthers(root, notes, instead, listing);
  return {
    code: 'package-manager::none-found',
    blame: 'app',
    title: 'No file of a supported package manager was found',
    detail: [`The app needs one of ${ONE_OF} in ${rootName(root)}${orAbove}.`, '', listing].join('\n'),
    remedy: [
      ...instead,
      'Check that:',
      '1. The file exists. For a new app, uv is a good choice (`uv init`, then `uv lock`).',
      `2. It is in ${rootName(root)}${orAbove}, not in a subfolder.`,
      '3. Its name is spelled exactly as above, including upper and lower case.',
      '4. It is committed, and no ignore file excludes it.',
    ].join('\n'),
  };
}

/** A lockfile above the root that belongs to another project. */
export interface LockOfOthers {
  readonly what: string;
  readonly remedy: string;
}

/** `isExcluded`: undefined if the lockfile is not that of a workspace. */
export function uvLockOfOthers(folder: string, project: string, isExcluded: boolean | undefined): LockOfOthers {
  const [lockfile, top] = [inRoot(folder, 'uv.lock'), inRoot(folder, 'pyproject.toml')];
  const lock = `then run \`uv lock\` in ${rootName(folder)} and commit ${lockfile}.`;
  if (isExcluded === true) {
    return {
      what: `${lockfile} is the lockfile of a workspace, and ${top} excludes ${project} from it.`,
      remedy: `Remove ${project} from \`exclude\` of [tool.uv.workspace] in ${top}, ${lock}`,
    };
  }
  return {
    what:
      isExcluded === false
        ? `${lockfile} is the lockfile of a workspace, and ${project} is not a member of that workspace in ${top}.`
        : `${lockfile} exists, but ${project} is not a member of a workspace in ${top}.`,
    remedy: `Add ${project} to \`members\` of [tool.uv.workspace] in ${top}, ${lock}`,
  };
}

export const poetryLockOfOthers = (folder: string, project: string): LockOfOthers => ({
  what: `${inRoot(folder, 'poetry.lock')} is the lockfile of another project, because ${project} has its own pyproject.toml.`,
  remedy: `Run \`poetry lock\` in ${project} and commit ${inRoot(project, 'poetry.lock')}.`,
});

const lockOfOthers = (
  root: string,
  notes: readonly LockOfOthers[],
  instead: readonly string[],
  listing: string,
): Failure => ({
  code: 'package-manager::none-found',
  blame: 'app',
  title: `No lockfile or requirements file was found for ${rootName(root)}`,
  detail: [...notes.map(({ what }) => what), '', listing].join('\n'),
  remedy: [
    ...instead,
    notes.length > 1 ? 'Do one of these:' : '',
    ...notes.map(({ remedy }) => remedy),
    `Or commit a lockfile or requirements.txt in ${rootName(root)}.`,
  ]
    .filter((line) => line !== '')
    .join('\n'),
});

export function multipleFound(
  root: string,
  found: readonly { readonly name: string; readonly tool: string; readonly lockfile: string }[],
): Failure {
  return {
    code: 'package-manager::multiple-found',
    blame: 'app',
    title: `The app has files of ${found.length} package managers`,
    subject: found.map(({ name }) => name).join(','),
    detail: [
      'pyflow cannot decide which of these files to install from:',
      ...found.map(({ tool, lockfile }) => `  ${inRoot(root, lockfile)} (${tool})`),
    ].join('\n'),
    remedy: [
      'Keep the file of the tool that you use, and delete the others.',
      'If another build step writes requirements.txt from the lockfile of Poetry or uv, remove that step. pyflow supports both tools.',
    ].join('\n'),
  };
}

/** Follows a sentence about the files of the root. */
const at = (root: string): string => (root === '.' ? '' : ` in ${root}`);
