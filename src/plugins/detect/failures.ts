// The failure of the kind `detect`.

import type { Failure } from '../../engine/sdk.js';

export const notAPythonApp = (listing: string): Failure => ({
  code: 'detect::not-a-python-app',
  blame: 'app',
  title: 'This does not look like a Python app',
  detail: [
    'The root of the app holds none of the files that tell a Python project. A build needs exactly one of',
    'requirements.txt, Pipfile.lock, poetry.lock and uv.lock there.',
    '',
    listing,
  ].join('\n'),
  remedy: [
    'Check that:',
    '1. the file of your package manager exists; to start afresh, uv is a good choice (`uv init`, then `uv lock`),',
    '2. it is in the root of the app, not in a subfolder (or that --app names the right folder),',
    '3. its name has exactly the letters above, in the same case,',
    '4. it was committed: neither .gitignore nor .slugignore may leave it out.',
  ].join('\n'),
});
