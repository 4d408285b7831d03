// Patches of files whose encoding or line ends the build can't use.

import { undecodableAs } from '../requirements-encoding.js';
import { foreignEncoding } from '../text-file.js';
import { isPlainText, textOf } from './encoding.js';
import { changeFile, inFolder, type FileEdit, type FixContext, type Patch } from './patch.js';

type Manager = string | undefined;

/** Files of each manager, and the code with which the build refuses them. */
const FILES: Readonly<Record<string, readonly (readonly [name: string, code: string])[]>> = {
  pipenv: [
    ['Pipfile.lock', 'pipfile-lock::invalid-json'],
    ['Pipfile', 'install-dependencies::pipenv'],
  ],
  poetry: [
    ['pyproject.toml', 'install-dependencies::poetry'],
    ['poetry.lock', 'install-dependencies::poetry'],
  ],
  uv: [
    ['pyproject.toml', 'install-dependencies::uv'],
    ['uv.lock', 'install-dependencies::uv'],
  ],
};

export function encodingPatches(context: FixContext, manager: Manager): readonly Patch[] {
  const { root, app } = context;
  const patches = (FILES[manager ?? ''] ?? []).map(([name, code]) => reencoded(context, name, code, manager));
  const requirements = manager === 'pip' ? requirementsIn(context) : [];
  const list = app.read(inFolder(root, 'nltk.txt'));
  return [
    ...patches,
    ...requirements.map((name) =>
      savedAsUtf8('install-dependencies::pip', inFolder(root, name), app.read(inFolder(root, name))),
    ),
    list === undefined || isPlainText(list)
      ? undefined
      : savedAsUtf8('nltk-downloader', inFolder(root, 'nltk.txt'), list),
  ].filter((patch) => patch !== undefined);
}

function reencoded({ root, app }: FixContext, name: string, code: string, manager: Manager): Patch | undefined {
  const file = inFolder(root, name);
  const bytes = app.read(file);
  if (bytes === undefined || isPlainText(bytes)) return undefined;
  // uv accepts a byte order mark of UTF-8.
  if (manager === 'uv' && foreignEncoding(bytes) === 'UTF-8 with a byte order mark') return undefined;
  return savedAsUtf8(code, file, bytes);
}

function savedAsUtf8(code: string, file: string, bytes: Uint8Array | undefined): Patch | undefined {
  const text = bytes === undefined ? undefined : textOf(bytes);
  if (bytes === undefined || text === undefined) return undefined;
  const encoding = foreignEncoding(bytes) ?? 'another encoding';
  return { code, title: `Save ${file} as UTF-8; it is ${encoding}`, edits: [changeFile(file, text, text)] };
}

/** Files of requirements in the root that pip can't decode. pip itself reads UTF-16 with a byte order mark. */
const requirementsIn = ({ root, app }: FixContext): readonly string[] =>
  app
    .names(root === '.' ? '' : root)
    .filter((name) => /^requirements.*\.(txt|in)$/.test(name))
    .filter((name) => {
      const bytes = app.read(inFolder(root, name));
      if (bytes === undefined || textOf(bytes) === undefined) return false;
      return undecodableAs(bytes) !== undefined || (bytes.includes(0) && !hasMark(bytes));
    });

const hasMark = ([first, second]: Uint8Array): boolean =>
  (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || (first === 0 && second === 0);

const HOOKS = ['bin/pre_compile', 'bin/post_compile'];

/** Hooks and profile scripts are in the app, whatever the root. */
export function lineEndPatches({ app }: FixContext): readonly Patch[] {
  const profiles = app
    .names('.profile.d')
    .filter((name) => name.endsWith('.sh'))
    .map((name) => `.profile.d/${name}`);
  return [withLf('hooks::crlf', HOOKS, app), withLf('profile::crlf', profiles, app)].filter(
    (patch) => patch !== undefined,
  );
}

function withLf(code: string, files: readonly string[], app: FixContext['app']): Patch | undefined {
  const edits = files.flatMap((file): readonly FileEdit[] => {
    const bytes = app.read(file);
    const text = bytes !== undefined && isPlainText(bytes) ? textOf(bytes) : undefined;
    return text?.includes('\r\n') === true ? [changeFile(file, text, text.replaceAll('\r\n', '\n'))] : [];
  });
  if (edits.length === 0) return undefined;
  return { code, title: `Save ${edits.map(({ file }) => file).join(', ')} with LF line ends`, edits };
}
