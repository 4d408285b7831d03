// Apps that make pyflow touch many places after a command ran: one for each kind that works on files that code of the
// app left. Their build code also leaves bait: files that pyflow cleans up.

import { makePipfile } from '../pipfile.js';
import { managerPipeline } from '../manager-pipeline.js';
import type { PackageIndex } from '../package-index.js';
import { lockedPoetryApp } from '../poetry-apps.js';
import { prepareTool, type PreparedRuntime } from '../runtimes.js';
import { sourceProject } from '../source-projects.js';
import { lockedApp } from '../uv-apps.js';
import { makeSourceArchive, makeWheel, type Wheel } from '../wheels.js';
import type { Place } from './places.js';
import { plantingCommand, type Form } from './planter.js';
import type { TrialRequest } from './trial.js';

export type Scene = Pick<TrialRequest, 'files' | 'pipeline' | 'node' | 'kind' | 'isAppCode'> & {
  readonly binaries?: Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, string>>;
};

/** Runs only in the sandbox, which has this folder, because lockers build too. */
const BAIT = `
import os, pathlib, sys
def bait():
    if not os.path.isdir('/opt/pyflow/given'):
        return
    home = '/app/.scalingo/python'
    site = '%s/lib/python%d.%d/site-packages' % (home, *sys.version_info[:2])
    cache = '/var/cache/pyflow'
    for path, text in {
        home + '/src/checkout/.git/config': '[core]',
        home + '/src/checkout/module.py': 'X = 1',
        home + '/bin/baited': '#!/app/.scalingo/python/bin/python\\nprint(1)\\n',
        site + '/bait-1.0.dist-info/METADATA': 'Name: bait\\nVersion: 1.0\\n',
        site + '/bait-1.0.dist-info/WHEEL': 'Tag: cp312-cp312-linux_x86_64\\n',
        site + '/bait-1.0.dist-info/INSTALLER': 'uv\\n',
        site + '/bait-1.0.dist-info/REQUESTED': '',
        site + '/bait-1.0.dist-info/RECORD': 'bait.so,,\\nbait-1.0.dist-info/uv_cache.json,,\\n',
        site + '/bait-1.0.dist-info/uv_cache.json': '{}',
        site + '/bait-1.0.dist-info/direct_url.json': '{"url": "https://example.org/bait-1.0.zip", "archive_info": {}}',
        site + '/bait.so': '\\x7fELF' + 'x' * 100,
        site + '/bait.pth': '/app/libs\\n',
        site + '/bait.egg-link': '/app/libs\\n',
        site + '/__editable___bait_finder.py': 'MAPPING = {}\\n',
        site + '/empty/folder/': '',
        cache + '/poetry/artifacts/aa/bb/cc/dd/bait-1.0.tar.gz': 'x',
        cache + '/poetry/artifacts/aa/bb/cc/dd/bait-1.0-py3-none-any.whl': 'x',
        cache + '/uv/interpreter-v4/bait': 'x',
        cache + '/uv/sdists-v9/path/bait/bait': 'x',
        cache + '/uv/sdists-v9/editable/bait/bait': 'x',
        cache + '/pip/wheels/bait/bait.whl': 'x',
    }.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not path.endswith('/'):
            pathlib.Path(path).write_text(text)
bait()
`;

const library = (name: string): Readonly<Record<string, string>> => {
  const files = sourceProject(name, `libs/${name}`, `def main():\n    print("${name}")\n`);
  const backend = `libs/${name}/backend.py`;
  return name === 'linked' ? { ...files, [backend]: `${BAIT}${files[backend]}` } : files;
};
const LIBRARIES = { ...library('linked'), ...library('copied') };

const tool = makeWheel('tool', '1.0', {
  files: { 'tool/__init__.py': 'def main():\n    print("tool")\n', 'common/note.txt': 'from tool' },
  scripts: { tool: 'tool:main' },
  plainScripts: { plain: '#!python\nprint(1)\n' },
});
/** Contains a file of the other package, so that Poetry installs both again. */
const other = makeWheel('other', '3.0', { files: { 'other.py': '', 'common/note.txt': 'from other' } });
const built = makeSourceArchive('built', '1.0', {
  'pyproject.toml':
    '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "built"\nversion = "1.0"\n',
  'backend.py': `${BAIT}
import zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    files = {'built.py': 'X = 1\\n'}
    files['built-1.0.dist-info/METADATA'] = 'Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n'
    files['built-1.0.dist-info/WHEEL'] = 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'
    files['built-1.0.dist-info/RECORD'] = ''.join(n + ',,\\n' for n in [*files, 'built-1.0.dist-info/RECORD'])
    with zipfile.ZipFile(os.path.join(directory, 'built-1.0-py3-none-any.whl'), 'w') as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return 'built-1.0-py3-none-any.whl'
`,
});
export const INDEXED: readonly Wheel[] = [tool, other, built];

/** A Python with a third of its files, because most attacks copy and remove it. */
const SMALL = `  small:
    uses: command
    inputs: { tree: runtime.tree }
    with:
      argv:
        - sh
        - -c
        - |
          cd .scalingo/python
          find . -name __pycache__ -exec rm -rf {} +
          rm -rf include share lib/pkgconfig
          cd lib/python3.12
          rm -rf config-* ensurepip idlelib lib2to3 pydoc_data test tkinter turtledemo unittest venv wsgiref zoneinfo
      writes: ['.scalingo/python/**']
`;
const smallPipeline = (manager: string, nodes: string): string =>
  managerPipeline('planted', manager, `${SMALL}${nodes}`);

const PYTHON = { '.python-version': '3.12\n' };
const WHEEL = { [`wheels/${tool.file}`]: tool.bytes.toString('base64') };
const REQUIREMENTS = `./wheels/${tool.file}\n./libs/copied\n-e ./libs/linked\n`;

/** These need no Python, and a build takes a tenth of a second. */
export const COMMAND: Scene = {
  node: 'make',
  kind: 'command',
  isAppCode: true,
  files: {
    'a.txt': 'a\n',
    'src/b.txt': 'b\n',
    'src/deep/c.txt': 'c\n',
    'make.sh':
      'mkdir -p out/in\necho x > out/in/x\necho y > out/y\ncp src/b.txt out/b\nln -s b out/l\nrm src/deep/c.txt\ntouch $TMPDIR/t\n',
  },
  pipeline: `pyflow: 1
nodes:
  make:
    uses: command
    with: { argv: [sh, -e, make.sh], reads: ['**'], writes: ['**'] }
`,
};

export const HOOK: Scene = {
  node: 'post-compile',
  kind: 'hook',
  isAppCode: true,
  files: {
    'bin/post_compile':
      '#!/bin/sh\nmkdir -p made/in\necho x > made/in/x\necho y >> a.py\nrm src/b.txt\nln -s x made/l\n',
    'a.py': 'X = 1\n',
    'src/b.txt': 'b\n',
    '.scalingo/python/lib/python3.12/site-packages/m.py': 'X = 1\n',
  },
  pipeline: `pyflow: 1
nodes:
  post-compile: { uses: hook, with: { script: bin/post_compile } }
`,
};

const installer = (kind: string, node: string): Pick<Scene, 'node' | 'kind' | 'isAppCode'> => ({
  node,
  kind,
  isAppCode: false,
});
export const PIP: Scene = {
  ...installer('install-deps-pip', 'pip'),
  files: { ...PYTHON, ...LIBRARIES, 'requirements.txt': REQUIREMENTS },
  binaries: WHEEL,
  pipeline: smallPipeline(
    'pip',
    '  pip: { uses: install-deps-pip, inputs: { runtime: small.tree, pip: tool.tool } }\n',
  ),
};
const PIP_WITH_UV: Scene = {
  ...PIP,
  node: 'uv-pip',
  pipeline: smallPipeline(
    'uv',
    '  uv-pip: { uses: install-deps-pip, with: { installer: uv }, inputs: { runtime: small.tree, uv: tool.tool } }\n',
  ),
};
const PIPENV: Scene = {
  ...installer('install-deps-pipenv', 'pipenv'),
  files: {
    ...PYTHON,
    ...LIBRARIES,
    ...makePipfile({
      default: { copied: { path: './libs/copied' }, linked: { path: './libs/linked', editable: true } },
    }),
  },
  pipeline: smallPipeline(
    'pipenv',
    '  pipenv: { uses: install-deps-pipenv, inputs: { runtime: small.tree, pipenv: tool.tool } }\n',
  ),
};
export const DJANGO: Scene = {
  node: 'static',
  kind: 'django-collectstatic',
  isAppCode: true,
  files: {
    ...PYTHON,
    'requirements.txt': '',
    'django/__init__.py': '',
    'manage.py': `import os
os.makedirs('static/css', exist_ok=True)
open('static/css/site.css', 'w').write('a {}')
open('a.py', 'a').write('Y = 1')
print('1 static file copied to /app/static.')
`,
    'a.py': 'X = 1\n',
  },
  pipeline: smallPipeline('pip', '  static: { uses: django-collectstatic, inputs: { tree: small.tree } }\n'),
};
export const NLTK: Scene = {
  node: 'corpora',
  kind: 'nltk-data',
  isAppCode: true,
  files: {
    ...PYTHON,
    'requirements.txt': '',
    'nltk.txt': 'words\n',
    'fake/__init__.py': '',
    'fake/downloader.py': `import pathlib, sys
folder = pathlib.Path(sys.argv[1].removeprefix('--dir='))
(folder / 'corpora').mkdir(parents=True)
(folder / 'corpora/words.txt').write_text('words')
`,
  },
  pipeline: smallPipeline(
    'pip',
    `  nltk:
    uses: command
    inputs: { tree: small.tree }
    with:
      argv: [sh, -c, "cp -r fake .scalingo/python/lib/python3.12/site-packages/nltk"]
      reads: ['fake/**']
      writes: ['.scalingo/python/lib/**']
  corpora: { uses: nltk-data, inputs: { tree: nltk.tree } }
`,
  ),
};

/**
 * Poetry and uv make the lockfiles. The index is on the loopback, so run it with the sandbox `auto`, which can reach
 * it.
 */
export async function lockedScenes(runtime: PreparedRuntime, index: PackageIndex): Promise<readonly Scene[]> {
  const python = `${runtime.appDir}/.scalingo/python/bin/python3`;
  const [poetryDir, uvDir] = await Promise.all([prepareTool(runtime, 'poetry'), prepareTool(runtime, 'uv')]);
  const poetryApp = await lockedPoetryApp({ poetryDir, python }, index, {
    dependencies: ['tool==1.0', 'other==3.0', 'built==1.0'],
  });
  // Build requirements come from the real index, so nothing is locked from the other one.
  const poetryProject = await lockedPoetryApp({ poetryDir, python }, index, {
    dependencies: [],
    isPackage: true,
    more: 'packages = [{ include = "shop" }]\n[tool.poetry.build]\nscript = "build.py"\n',
    files: { 'shop/__init__.py': '', 'build.py': `${BAIT}\nopen('shop/made.py', 'w').write('X = 1')\n` },
  });
  const uvApp = await lockedApp({ uvDir, python }, index, {
    dependencies: ['tool==1.0', 'built==1.0', 'linked', 'copied'],
    more: '[tool.uv.sources]\nlinked = { path = "libs/linked", editable = true }\ncopied = { path = "libs/copied" }\n',
    files: LIBRARIES,
  });
  const poetry = `  poetry: { uses: install-deps-poetry, inputs: { runtime: small.tree, poetry: tool.tool } }\n`;
  const uv = `  uv: { uses: install-deps-uv, inputs: { runtime: small.tree, uv: tool.tool } }\n`;
  const settings = { INDEX: index.url };
  return [
    {
      settings,
      ...installer('install-deps-poetry', 'poetry'),
      files: { ...PYTHON, ...poetryApp },
      pipeline: smallPipeline('poetry', poetry),
    },
    {
      ...installer('install-project-poetry', 'poetry-project'),
      files: { ...PYTHON, ...poetryProject },
      pipeline: smallPipeline(
        'poetry',
        `${poetry}  poetry-project:
    uses: install-project-poetry
    inputs: { dependencies: poetry.tree, packages: poetry.packages, poetry: tool.tool }
`,
      ),
    },
    { ...installer('install-deps-uv', 'uv'), files: { ...PYTHON, ...uvApp }, pipeline: smallPipeline('uv', uv) },
    {
      ...installer('install-project-uv', 'uv-project'),
      files: { ...PYTHON, ...uvApp },
      pipeline: smallPipeline(
        'uv',
        `${uv}  uv-project:
    uses: install-project-uv
    inputs: { dependencies: uv.tree, packages: uv.packages, uv: tool.tool }
`,
      ),
    },
  ];
}

/** These need a Python of this machine, but no index. */
export const PYTHON_SCENES: readonly Scene[] = [PIP, PIP_WITH_UV, PIPENV, DJANGO, NLTK];

/** The app's own files, with code that plants at its end. Paths are relative to the folder in which it runs. */
export function hostileFiles(
  scene: Scene,
  { place, form, victim }: { readonly place: Place; readonly form: Form; readonly victim: string },
): Readonly<Record<string, string>> {
  const [file = '', root] = CODE[scene.node] ?? [];
  if (root === undefined) throw new Error(`no code of the app runs in ${scene.node}`);
  const argv = plantingCommand({ path: `${root}/${place.path}`, root, form, victim }, undefined, ['true']);
  const quoted = argv.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
  const text = file.endsWith('.py')
    ? `\nimport atexit, subprocess\natexit.register(lambda: subprocess.call(${JSON.stringify(argv)}))\n`
    : `\n${quoted}\n`;
  return { [file]: `${scene.files[file]}${text}` };
}

/** Node -> the file that its command runs, and the app's folder as that code sees it. */
const CODE: Readonly<Record<string, readonly [file: string, root: string]>> = {
  'post-compile': ['bin/post_compile', '.'],
  make: ['make.sh', '.'],
  static: ['manage.py', '.'],
  pip: ['libs/linked/backend.py', '../..'],
};
