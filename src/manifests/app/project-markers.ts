// Names in the root of a project that mark it as a Python project, including misspelled ones and leftovers.

const RIGHT = [
  '.python-version',
  'Pipfile',
  'Pipfile.lock',
  '__init__.py',
  'app.py',
  'main.py',
  'manage.py',
  'pdm.lock',
  'poetry.lock',
  'pylock.toml',
  'pyproject.toml',
  'requirements.txt',
  'runtime.txt',
  'server.py',
  'setup.cfg',
  'setup.py',
  'uv.lock',
];
const MISSPELLED_REQUIREMENTS = [
  'Requirements.txt',
  'requeriments.txt',
  'requirement.txt',
  'requirements',
  'requirements.text',
  'requirements.txt.txt',
  'requirments.txt',
];
/** Only a folder of this name counts, not a file. */
export const PROJECT_FOLDERS = ['.venv', '__pycache__', 'venv'];

/** A file or folder of this name counts. */
export const PROJECT_FILES: readonly string[] = [...RIGHT, ...MISSPELLED_REQUIREMENTS];
