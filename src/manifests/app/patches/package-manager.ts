// Patches for apps whose package manager the build can't find, or that contain what the build makes.

import { fieldsOf } from '../fields.js';
import { readToml } from '../toml-file.js';
import { textOf } from './encoding.js';
import { addFile, changeFile, inFolder, renameFile, type FixContext, type Patch } from './patch.js';

/** In the order in which the build looks. */
const LOCKS = [
  ['pipenv', 'Pipfile.lock'],
  ['pip', 'requirements.txt'],
  ['poetry', 'poetry.lock'],
  ['uv', 'uv.lock'],
] as const;

/** The only manager with a file in the root; undefined if there are none or several. */
export function managerIn({ root, app }: FixContext): string | undefined {
  const found = LOCKS.filter(([, file]) => app.read(inFolder(root, file)) !== undefined);
  return found.length === 1 ? found[0]?.[0] : undefined;
}

const MISSPELT = /^requ?[ie]r[ei]?ments?(\.te?xt){0,2}$/i;

export function managerPatch(context: FixContext): Patch | undefined {
  const { root, app } = context;
  const has = (name: string): boolean => app.read(inFolder(root, name)) !== undefined;
  if (has('Pipfile') && !has('Pipfile.lock'))
    return {
      code: 'package-manager::pipenv-missing-lockfile',
      title: 'Make Pipfile.lock',
      edits: [],
      command: 'pipenv lock',
    };
  if (LOCKS.some(([, file]) => has(file))) return undefined;
  const misspelt = app.names(root === '.' ? '' : root).filter((name) => MISSPELT.test(name) && has(name));
  const [only] = misspelt;
  if (only !== undefined && misspelt.length === 1) return renamed(context, only);
  const requirements = inFolder(root, 'requirements.txt');
  const lock = lockCommand(context);
  if (lock !== undefined)
    return {
      code: 'package-manager::none-found',
      title: 'Lock the packages of pyproject.toml',
      edits: [],
      command: lock,
    };
  if (!has('setup.py')) return undefined;
  return {
    code: 'package-manager::setup-py-only',
    title: `Add ${requirements}, which installs what setup.py declares`,
    edits: [addFile(requirements, '--editable .\n')],
  };
}

function renamed({ root, app }: FixContext, name: string): Patch | undefined {
  const [from, file] = [inFolder(root, name), inFolder(root, 'requirements.txt')];
  const text = textOf(app.read(from) as Uint8Array);
  if (text === undefined) return undefined;
  return {
    code: 'package-manager::none-found',
    title: `Rename ${from} to ${file}`,
    edits: [renameFile(from, file, text)],
  };
}

/** The command that locks a pyproject.toml without a lockfile. */
function lockCommand({ root, app }: FixContext): string | undefined {
  const bytes = app.read(inFolder(root, 'pyproject.toml'));
  const toml = bytes === undefined ? undefined : readToml(bytes);
  if (toml?.ok !== true) return undefined;
  if (fieldsOf(toml.value['tool'])['poetry'] !== undefined) return 'poetry lock';
  return toml.value['project'] === undefined ? undefined : 'uv lock';
}

const GIT_IGNORE = '.gitignore';

/** `pythonDir`: where the build puts Python. */
export function leftoverPatches(context: FixContext, pythonDir: string): readonly Patch[] {
  const { root, app } = context;
  const venvs = ['.venv', 'venv']
    .map((name) => inFolder(root, name))
    .filter((folder) => app.read(`${folder}/pyvenv.cfg`) !== undefined);
  return [
    ...venvs.map((folder) => untracked(context, 'checks::existing-venv-dir', folder)),
    ...(app.isFolder(pythonDir) ? [untracked(context, 'checks::existing-python-dir', pythonDir)] : []),
  ];
}

function untracked({ app }: FixContext, code: string, folder: string): Patch {
  const bytes = app.read(GIT_IGNORE);
  const before = (bytes === undefined ? undefined : textOf(bytes)) ?? '';
  const isIgnored = before.split(/\r?\n/).some((line) => line.trim().replace(/^\/|\/$/g, '') === folder);
  const to = `${before === '' || before.endsWith('\n') ? before : `${before}\n`}/${folder}/\n`;
  const edit = bytes === undefined ? addFile(GIT_IGNORE, to) : changeFile(GIT_IGNORE, before, to);
  return {
    code,
    title: `Stop tracking ${folder}`,
    edits: isIgnored ? [] : [edit],
    command: `git rm -r --cached ${shellWord(folder)}`,
  };
}

const shellWord = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
