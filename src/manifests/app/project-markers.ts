// The names in the root of a project by which it is taken for Python, with the misspelt and left-over ones. Unaware of
// folders on disk.

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
  'pyproject.toml',
  'requirements.txt',
  'runtime.txt',
  'server.py',
  'setup.cfg',
  'setup.py',
  'uv.lock',
];
const MISSPELT_REQUIREMENTS = [
  'Requirements.txt',
  'requeriments.txt',
  'requirement.txt',
  'requirements',
  'requirements.text',
  'requirements.txt.txt',
  'requirments.txt',
];
/** A file of one of these names tells nothing. */
export const PROJECT_FOLDERS = ['.venv', '__pycache__', 'venv'];

/** Whatever lies there under such a name counts. */
export const PROJECT_FILES: readonly string[] = [...RIGHT, ...MISSPELT_REQUIREMENTS];
