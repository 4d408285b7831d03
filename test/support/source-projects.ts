// Projects with an in-tree build backend, so that building them needs no package from an index.

export type Files = Readonly<Record<string, string>>;

/** Makes a wheel or an editable link to the folder, and leaves files among the sources like real backends. */
const BACKEND = `
import os, pathlib, zipfile
HERE = pathlib.Path(__file__).parent
NAME = HERE.joinpath('name').read_text().strip()
def _build(directory, files):
    os.makedirs('build', exist_ok=True)
    pathlib.Path('build/left').write_text('left behind')
    info = NAME + '-1.0.dist-info'
    files[info + '/METADATA'] = 'Metadata-Version: 2.1\\nName: %s\\nVersion: 1.0\\n' % NAME
    files[info + '/WHEEL'] = 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'
    files[info + '/entry_points.txt'] = '[console_scripts]\\n%s-main = %s:main\\n' % (NAME, NAME)
    files[info + '/RECORD'] = ''.join(n + ',,\\n' for n in [*files, info + '/RECORD'])
    name = NAME + '-1.0-py3-none-any.whl'
    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return _build(directory, {NAME + '.py': (HERE / 'src' / (NAME + '.py')).read_text()})
def build_editable(directory, config_settings=None, metadata_directory=None):
    return _build(directory, {NAME + '.pth': str(HERE / 'src')})
`;

const BUILD = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n';

/** A project with the module `NAME` in `FOLDER/src`. The text should define `main`. */
export const sourceProject = (name: string, folder: string, module: string): Files => ({
  [`${folder}/pyproject.toml`]: `[project]\nname = "${name}"\nversion = "1.0"\n${BUILD}`,
  [`${folder}/name`]: name,
  [`${folder}/backend.py`]: BACKEND,
  [`${folder}/src/${name}.py`]: module,
});
