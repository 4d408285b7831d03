// The failures of the kind `package-manager`: no tool, too many, or something in the way of what it will install.

import type { Failure } from '../../engine/sdk.js';
import { inRoot, rootName } from '../shared/app/root.js';

const ONE_OF = 'requirements.txt (pip), Pipfile.lock (Pipenv), poetry.lock (Poetry) or uv.lock (uv)';

export const existingPythonDir = (directory: string, contents: string): Failure => ({
  code: 'checks::existing-python-dir',
  blame: 'app',
  title: `The app already contains ${directory}`,
  detail: [
    `The runtime and the packages are installed into ${directory}, so nothing may be there before.`,
    contents,
  ].join('\n'),
  remedy: [
    `If it was committed, take it out: \`git rm -r --cached ${directory}\`, add it to .gitignore, commit.`,
    'If bin/pre_compile or a build step before this one made it, change that step, and see that Python is not set up twice.',
  ].join('\n'),
});

export const existingVenv = (directory: string, contents: string): Failure => ({
  code: 'checks::existing-venv-dir',
  blame: 'app',
  title: `The app contains a virtual environment, ${directory}`,
  subject: directory,
  detail: [
    'A virtual environment works only on the machine and at the place it was made for, and would hide the packages of the build.',
    contents,
  ].join('\n'),
  remedy: [
    'Take it out of Git:',
    `1. git rm -r --cached ${directory}`,
    `2. add a line ${directory}/ to .gitignore`,
    '3. git add .gitignore',
    `4. git commit -m "Stop tracking ${directory}"`,
  ].join('\n'),
});

export const pipenvMissingLockfile = (root: string): Failure => ({
  code: 'package-manager::pipenv-missing-lockfile',
  blame: 'app',
  title: `There is a Pipfile but no Pipfile.lock${at(root)}`,
  detail: 'Without a lockfile each build may get other versions of the packages, so Pipenv apps must have one.',
  remedy: [
    'Run `pipenv lock` and commit Pipfile.lock; check that it is not ignored by Git.',
    'If the app does not use Pipenv any more, delete the Pipfile and use another tool, for example uv.',
  ].join('\n'),
});

export const setupPyOnly = (root: string): Failure => ({
  code: 'package-manager::setup-py-only',
  blame: 'app',
  title: `There is a setup.py but no file of a package manager${at(root)}`,
  detail: `What to install is no longer guessed from setup.py alone. Needed is one of ${ONE_OF} in ${rootName(root)}.`,
  remedy: [
    'To go on installing what setup.py declares, commit a requirements.txt with this one line:',
    '  --editable .',
    'Or move to a tool with a lockfile, for example uv.',
  ].join('\n'),
});

export function noneFound(
  root: string,
  misspelt: readonly string[],
  listing: string,
  notes: readonly LockOfOthers[],
): Failure {
  const instead = misspelt.map(
    (name) => `${inRoot(root, name)} is not a name that counts; rename it to requirements.txt.`,
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
      '1. the file exists; for a new app uv is a good choice (`uv init`, then `uv lock`),',
      `2. it is in ${rootName(root)}${orAbove}, not in a subfolder,`,
      '3. its name is spelt exactly as above, capitals included,',
      '4. it was committed and no ignore file leaves it out.',
    ].join('\n'),
  };
}

/** A lockfile above the root that belongs to another project. */
export interface LockOfOthers {
  readonly what: string;
  readonly remedy: string;
}

/** `isExcluded`: undefined where the lockfile is not that of a workspace. */
export function uvLockOfOthers(folder: string, project: string, isExcluded: boolean | undefined): LockOfOthers {
  const [lockfile, top] = [inRoot(folder, 'uv.lock'), inRoot(folder, 'pyproject.toml')];
  const lock = `then run \`uv lock\` in ${rootName(folder)} and commit ${lockfile}.`;
  if (isExcluded === true) {
    return {
      what: `${lockfile} is the lockfile of a workspace, and ${top} excludes ${project} from it.`,
      remedy: `Take ${project} out of \`exclude\` of [tool.uv.workspace] in ${top}, ${lock}`,
    };
  }
  return {
    what: `${lockfile} is ${isExcluded === false ? 'the lockfile of a workspace' : 'there'}, and ${project} is not a member of ${isExcluded === false ? 'that' : 'a'} workspace in ${top}.`,
    remedy: `Add ${project} to \`members\` of [tool.uv.workspace] in ${top}, ${lock}`,
  };
}

export const poetryLockOfOthers = (folder: string, project: string): LockOfOthers => ({
  what: `${inRoot(folder, 'poetry.lock')} is the lockfile of another project: ${project} has a pyproject.toml of its own.`,
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
  title: `${rootName(root)} has no lockfile or requirements file, and the one above it is not for it`,
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
      'Which of them has the right packages cannot be told from the files:',
      ...found.map(({ tool, lockfile }) => `  ${inRoot(root, lockfile)} (${tool})`),
    ].join('\n'),
    remedy: [
      'Keep the file of the tool you use and delete the others.',
      'If another build step writes requirements.txt out of the lockfile of Poetry or uv: remove that step, both tools are supported.',
    ].join('\n'),
  };
}

/** Behind a sentence about the files of the root. */
const at = (root: string): string => (root === '.' ? '' : ` in ${root}`);
