// Patches of the files that set the version of Python. At most one applies at a time, in the order in which the build reads them.

import compare from 'semver/functions/compare.js';
import { latestPatch, minorStatus } from '../../catalogue/python-releases.js';
import { MISSPELLED_PYTHON_VERSION_NAMES, parsePythonVersionFile } from '../python-version-file.js';
import { parsePythonRequest, type PythonRequest } from '../python-version.js';
import { parseRuntimeTxt } from '../runtime-txt.js';
import { contentLines } from '../text-file.js';
import { textOf } from './encoding.js';
import { addFile, changeFile, deleteFile, inFolder, renameFile, type FixContext, type Patch } from './patch.js';

const FILE = '.python-version';

export function pythonVersionPatch(context: FixContext, manager: string | undefined): Patch | undefined {
  const { root, app } = context;
  const runtime = app.read(inFolder(root, 'runtime.txt'));
  if (runtime !== undefined) return fromRuntimeTxt(context, runtime, manager);
  const misspelled = MISSPELLED_PYTHON_VERSION_NAMES.find((name) => app.read(inFolder(root, name)) !== undefined);
  if (misspelled !== undefined) return fromMisspelled(context, misspelled);
  const bytes = app.read(inFolder(root, FILE));
  return bytes === undefined ? missing(context, manager) : wrong(context, bytes);
}

/** The new text of the file, whether it exists or not. */
const setVersion = ({ root, app }: FixContext, text: string) => {
  const file = inFolder(root, FILE);
  const bytes = app.read(file);
  return bytes === undefined ? addFile(file, text) : changeFile(file, textOf(bytes) ?? '', text);
};

function fromRuntimeTxt(context: FixContext, bytes: Uint8Array, manager: string | undefined): Patch {
  const request = parseRuntimeTxt(bytes);
  const version = request.ok ? request.value.text : (versionIn(textOf(bytes) ?? '') ?? context.minor);
  const file = inFolder(context.root, 'runtime.txt');
  const code =
    manager === 'uv'
      ? 'runtime-txt::not-supported'
      : request.ok
        ? 'runtime-txt::deprecated'
        : 'runtime-txt::invalid-version';
  return {
    code,
    title: `Move the version from ${file} to ${FILE}`,
    edits: [deleteFile(file, textOf(bytes) ?? ''), setVersion(context, `${version}\n`)],
  };
}

function fromMisspelled({ root, app }: FixContext, name: string): Patch {
  const [from, file] = [inFolder(root, name), inFolder(root, FILE)];
  const bytes = app.read(from) as Uint8Array;
  const text = textOf(bytes) ?? '';
  const isThere = app.read(file) !== undefined;
  return {
    code: 'python-version-file::misspelled',
    title: isThere ? `Delete "${from}", because ${file} exists` : `Rename "${from}" to ${file}`,
    edits: [isThere ? deleteFile(from, text) : renameFile(from, file, text)],
  };
}

function missing(context: FixContext, manager: string | undefined): Patch | undefined {
  if (manager === undefined) return undefined;
  if (manager === 'pipenv') {
    const lock = context.app.read(inFolder(context.root, 'Pipfile.lock'));
    // The build takes the version from there.
    if (lock === undefined || /"python_(full_)?version"\s*:/.test(textOf(lock) ?? '')) return undefined;
  }
  return {
    code: manager === 'uv' ? 'python-version-file::not-found' : 'python-version::none-given',
    title: `Add ${inFolder(context.root, FILE)} with ${context.minor}`,
    edits: [setVersion(context, `${context.minor}\n`)],
  };
}

function wrong(context: FixContext, bytes: Uint8Array): Patch | undefined {
  const file = inFolder(context.root, FILE);
  const before = textOf(bytes);
  const change = (code: string, title: string, to: string): Patch => ({
    code,
    title,
    edits: [changeFile(file, before ?? '', to)],
  });
  const parsed = parsePythonVersionFile(bytes);
  if (parsed.ok) return outdated(context, parsed.value, change, before ?? '');
  switch (parsed.failure.type) {
    case 'invalid-encoding':
      return change(
        'python-version-file::invalid-encoding',
        `Save ${file} as UTF-8 without a byte order mark`,
        before ?? `${context.minor}\n`,
      );
    case 'invalid-version': {
      const line = contentLines(bytes).find((each) => parsePythonRequest(each) === undefined) ?? '';
      const found = versionIn(line);
      return found === undefined
        ? undefined
        : change(
            'python-version-file::invalid-version',
            `Write ${found} in the form that ${file} needs`,
            withLine(before ?? '', line, found),
          );
    }
    case 'multiple-versions': {
      const [first = ''] = parsed.failure.versions;
      return change(
        'python-version-file::multiple-versions',
        `Keep the first version in ${file}, ${first}`,
        keepFirst(before ?? ''),
      );
    }
    case 'no-version':
      return change(
        'python-version-file::no-version',
        `Add ${context.minor} to ${file}`,
        `${lineEnded(before ?? '')}${context.minor}\n`,
      );
  }
}

type Change = (code: string, title: string, to: string) => Patch;

function outdated(
  { minor, now, root }: FixContext,
  found: PythonRequest,
  change: Change,
  before: string,
): Patch | undefined {
  const to = (version: string): string => before.replace(found.text, version);
  const file = inFolder(root, FILE);
  if (minorStatus(found.minor, now).support === 'end-of-life')
    return change(
      'python-version::eol',
      `Set Python ${minor} in ${file}, because ${found.minor} is no longer built`,
      to(minor),
    );
  const latest = latestPatch(found.minor);
  if (found.version === undefined || latest === undefined || found.version === latest) return undefined;
  return compare(found.version, latest) > 0
    ? change(
        'python-version::unknown-patch',
        `Set ${found.minor} in ${file}, because pyflow knows no build of ${found.version}`,
        to(found.minor),
      )
    : change(
        'python-version::patch-update',
        `Set ${found.minor} in ${file}, which takes the newest patch`,
        to(found.minor),
      );
}

/** A version in a line that is not a plain one: `python-3.13`, `"3.13.1"`, `>=3.12`, `3.13.x`. */
const versionIn = (text: string): string | undefined => {
  const found = /(?<![\d.])3\.\d{1,3}(?:\.\d{1,3})?(?![\d])/.exec(text)?.[0];
  return found === undefined || parsePythonRequest(found) === undefined ? undefined : found;
};

const lineEnded = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

function withLine(text: string, line: string, version: string): string {
  const at = text.indexOf(line);
  return at < 0 ? `${version}\n` : text.slice(0, at) + version + text.slice(at + line.length);
}

/** Comments stay. */
function keepFirst(text: string): string {
  let isFirst = true;
  const kept = text.split('\n').filter((line) => {
    if (line.trim() === '' || line.trim().startsWith('#')) return true;
    const keeps = isFirst;
    isFirst = false;
    return keeps;
  });
  return kept.join('\n');
}
