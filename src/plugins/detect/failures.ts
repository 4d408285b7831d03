// The failures of the kind `detect`.

import type { Failure } from '../../engine/sdk.js';
import { rootName } from '../shared/app/root.js';

export const notAPythonApp = (root: string, listing: string): Failure => ({
  code: 'detect::not-a-python-app',
  blame: 'app',
  title: 'This does not look like a Python app',
  detail: [
    `No file of a Python project was found in ${rootName(root)}. A build needs exactly one of requirements.txt,`,
    'Pipfile.lock, poetry.lock, uv.lock and pylock.toml there.',
    '',
    listing,
  ].join('\n'),
  remedy: [
    'Check that:',
    '1. The file of your package manager exists. For a new project, uv is a good choice (`uv init`, then `uv lock`).',
    `2. It is in ${rootName(root)}, not in a subfolder, and --app and the \`root\` of the pipeline name the right folders.`,
    '3. Its name is spelled exactly as above, including upper and lower case.',
    '4. It is committed, and neither .gitignore nor .slugignore excludes it.',
  ].join('\n'),
});

const REMEDY =
  'Set `root` (in the shipped pipeline the param of that name) to the folder of the project, relative to the app, and commit that folder.';

/** `listing`: what exists instead. */
export const rootNotFound = (root: string, listing: string): Failure => ({
  code: 'detect::root-not-found',
  blame: 'pipeline',
  title: `The app has no folder ${root}`,
  detail: ['The pipeline looks for the files of the project there.', '', listing].join('\n'),
  remedy: REMEDY,
});

export const rootNotAFolder = (root: string, kind: 'file' | 'symlink'): Failure => ({
  code: 'detect::root-not-a-folder',
  blame: 'pipeline',
  title: `${root} is not a folder`,
  detail: `It is a ${kind === 'file' ? 'file' : 'symbolic link'}, but the pipeline looks for the files of the project in it.`,
  remedy: REMEDY,
});
