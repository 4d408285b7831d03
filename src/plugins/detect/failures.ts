// The failures of the kind `detect`.

import type { Failure } from '../../engine/sdk.js';
import { rootName } from '../shared/app/root.js';

export const notAPythonApp = (root: string, listing: string): Failure => ({
  code: 'detect::not-a-python-app',
  blame: 'app',
  title: 'This does not look like a Python app',
  detail: [
    `There is none of the files that tell a Python project in ${rootName(root)}. A build needs exactly one of`,
    'requirements.txt, Pipfile.lock, poetry.lock and uv.lock there.',
    '',
    listing,
  ].join('\n'),
  remedy: [
    'Check that:',
    '1. the file of your package manager exists; to start afresh, uv is a good choice (`uv init`, then `uv lock`),',
    `2. it is in ${rootName(root)}, not in a subfolder (or that --app and the \`root\` of the pipeline name the right folders),`,
    '3. its name has exactly the letters above, in the same case,',
    '4. it was committed: neither .gitignore nor .slugignore may leave it out.',
  ].join('\n'),
});

const REMEDY =
  'Correct `root` (in the shipped pipeline the param of that name): it is the folder of the project, relative to the app, and must be committed.';

/** `listing`: what there is instead. */
export const rootNotFound = (root: string, listing: string): Failure => ({
  code: 'detect::root-not-found',
  blame: 'pipeline',
  title: `The app has no folder ${root}`,
  detail: [`The pipeline looks for the files of the project there.`, '', listing].join('\n'),
  remedy: REMEDY,
});

export const rootNotAFolder = (root: string, kind: 'file' | 'symlink'): Failure => ({
  code: 'detect::root-not-a-folder',
  blame: 'pipeline',
  title: `${root} is no folder`,
  detail: `It is a ${kind === 'file' ? 'file' : 'symbolic link'}, but the pipeline looks for the files of the project in it.`,
  remedy: REMEDY,
});
