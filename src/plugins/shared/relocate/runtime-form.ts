// Normalizes a runtime of any provider for the slug: keeps only the files that belong to it, and rewrites them so that it runs in
// any folder and contains no paths of the machine that built it.

import { posix } from 'node:path';
import { fail, succeed, type Folder, type MachineFolder, type Result, type WalkedEntry } from '../../../engine/sdk.js';
import { eachLimited } from '../python/each-limited.js';
import { readForStrip } from './elf-file.js';
import { isElf, withoutDebug, withPath, withRunpath } from './elf.js';

const REWRITERS = 4;
/** Larger files are rewritten one at a time, because each is read completely, and libraries can have tens of megabytes. */
const LARGE_BYTES = 2 * 1024 * 1024;
const LARGEST_BYTES = 1024 * 1024 * 1024;

/** Folders of the standard library that apps don't use at run time. */
const DROPPED_FOLDERS: ReadonlySet<string> = new Set(['idlelib', 'turtledemo', 'test', 'tests', '__pycache__']);
/** Extension modules for the tests of CPython. */
const TEST_MODULE = /^lib-dynload\/(_test|_ctypes_test|_xxtestfuzz|xxlimited|xxsubtype)/;

/** Whether a file (relative to the prefix) belongs to the runtime. pip doesn't: tools are separate nodes. */
export function belongsToRuntime(path: string, minor: string): boolean {
  const [top = '', second = '', ...rest] = path.split('/');
  if (top === 'bin') return rest.length === 0 && ['python', 'python3', `python${minor}`].includes(second);
  if (top === 'include') return second === `python${minor}`;
  if (top !== 'lib') return false;
  if (second === 'pkgconfig') return rest.join('/').startsWith('python');
  if (second !== `python${minor}`) return rest.length === 0 && /^lib.*\.so(\.[\d.]+)?$/.test(second);
  return belongsToStandardLibrary(rest);
}

/** Whether it is unoptimized bytecode of a file that belongs to the runtime. */
export function isItsBytecode(path: string, minor: string): boolean {
  const source = sourceOf(path, minor);
  return source !== undefined && belongsToRuntime(source, minor);
}

/** The source of a bytecode file, by the naming rules of PEP 3147. */
function sourceOf(path: string, minor: string): string | undefined {
  const found = /^(.*)\/__pycache__\/([^/]+)\.cpython-(\d+)\.pyc$/.exec(path);
  return found?.[3] === minor.replace('.', '') ? `${found[1]}/${found[2]}.py` : undefined;
}

/** Whether a folder can contain files of the runtime. Avoids walking hundreds of megabytes of others. */
export function mayHoldRuntime(folder: string, minor: string): boolean {
  const [top = '', second, ...rest] = folder.split('/');
  if (second === undefined) return ['bin', 'include', 'lib'].includes(top);
  if (top === 'include') return second === `python${minor}`;
  if (top !== 'lib') return false;
  if (second === 'pkgconfig') return true;
  return second === `python${minor}` && (rest.length === 0 || belongsToStandardLibrary([...rest, 'any.py']));
}

function belongsToStandardLibrary(parts: readonly string[]): boolean {
  const [first = ''] = parts;
  const name = parts.at(-1) ?? '';
  if (first === 'site-packages' || first.startsWith('config-') || first === 'EXTERNALLY-MANAGED') return false;
  if (parts.slice(0, -1).some((folder) => DROPPED_FOLDERS.has(folder))) return false;
  if (name.endsWith('.a') || name.endsWith('.o') || name.endsWith('.pyc')) return false;
  return !TEST_MODULE.test(parts.join('/'));
}

/** Copies the files of a runtime from a folder of the machine to `home` in the app. */
export async function copyRuntime(
  prefix: MachineFolder,
  app: Folder,
  home: string,
  minor: string,
  signal: AbortSignal,
): Promise<{ readonly files: number }> {
  const all = prefix.walk((folder) => mayHoldRuntime(folder, minor));
  const wanted = all.filter((file) => belongsToRuntime(file.path, minor));
  await eachLimited(wanted, 1, async ({ path, kind }) => {
    if (signal.aborted) return;
    const target = kind === 'symlink' ? prefix.readLink(path) : undefined;
    // A link to a file outside the folder (for example of GNU Stow) is replaced with a copy of that file.
    if (target !== undefined && !target.includes('/')) app.symlink(target, `${home}/${path}`);
    else
      prefix.withFile(path, (file) => app.copyFrom(file, `${home}/${path}`, (file.mode & 0o100) === 0 ? 0o644 : 0o755));
  });
  return { files: wanted.length };
}

/** Why a file can't be normalized, as a sentence. */
type FormProblem = string;

/**
 * Rewrites the runtime at `home` into the normal form: `publicPrefix` (its path at run time) replaces the prefix that it was built
 * for, search paths of libraries are relative to the file, and debug sections and other files are removed. Idempotent. Keeps the
 * bytecode of its sources for the later compile step.
 */
export async function normalizeRuntime(
  app: Folder,
  runtime: { readonly home: string; readonly minor: string; readonly publicPrefix: string },
  privatePrefixes: readonly string[],
): Promise<Result<{ readonly pythonFiles: readonly string[] }, FormProblem>> {
  const { home, minor, publicPrefix } = runtime;
  const files = await app.walk(home);
  const kept = files.filter((file) => belongsToRuntime(file.path, minor));
  const sources = new Set(kept.map(({ path }) => path));
  for (const { path } of files) {
    if (!sources.has(path) && !sources.has(sourceOf(path, minor) ?? '')) app.remove(`${home}/${path}`);
  }
  await app.removeEmptyFolders(home);
  app.makeFolders(`${home}/lib/python${minor}/site-packages`);
  linkNames(app, home, minor);

  const prefixes = [...new Set([...privatePrefixes, ...builtFor(app, home, minor)])].filter(
    (prefix) => prefix !== publicPrefix,
  );
  // Longest first, so that a prefix below another one is replaced completely.
  prefixes.sort((a, b) => b.length - a.length);
  const problems: FormProblem[] = [];
  const rewrite = async ({ path, kind }: WalkedEntry): Promise<void> => {
    if (kind === 'symlink') return;
    const problem = isMachineCode(path)
      ? await rewriteBinary(app, home, path, prefixes)
      : rewriteText(app, home, path, publicPrefix, prefixes);
    if (problem !== undefined) problems.push(problem);
  };
  const isLarge = new Set<string>();
  for (const { path } of kept.filter((file) => isMachineCode(file.path))) {
    if ((app.stat(`${home}/${path}`)?.size ?? 0) > LARGE_BYTES) isLarge.add(path);
  }
  for (const file of kept) if (isLarge.has(file.path)) await rewrite(file);
  await eachLimited(
    kept.filter(({ path }) => !isLarge.has(path)),
    REWRITERS,
    rewrite,
  );
  const first = problems.sort()[0];
  if (first !== undefined) return fail(first);
  return succeed({ pythonFiles: kept.filter((file) => file.path.endsWith('.py')).map((file) => file.path) });
}

const isMachineCode = (path: string): boolean => path.startsWith('bin/') || /\.so(\.[\d.]+)?$/.test(path);

/** Files of the standard library that contain the prefix. All others stay as released. */
const isGenerated = (path: string): boolean =>
  path.startsWith('lib/pkgconfig/') ||
  /(^|\/)(_sysconfigdata\w*[^/]*\.py|_sysconfig_vars\w*[^/]*\.json|build-details\.json)$/.test(path);

/** Replaces the parent of a private prefix in machine code. Short, because it must not be longer than the prefix. */
const PLACEHOLDER = '/app';

async function rewriteBinary(
  app: Folder,
  home: string,
  path: string,
  prefixes: readonly string[],
): Promise<FormProblem | undefined> {
  const file = `${home}/${path}`;
  const read = await app.withFileOpen(file, (open) => readForStrip(open));
  if (read === undefined) return undefined;
  const { bytes, isWhole } = read;
  const isProgram = path.startsWith('bin/');
  if (isElf(bytes)) {
    const toLib = `$ORIGIN/${
      isProgram
        ? '../lib'
        : path
            .split('/')
            .slice(2)
            .map(() => '..')
            .join('/')
    }`;
    // Debug sections first, because they are most of a library and every edit makes a copy.
    const stripped = withoutDebug(bytes);
    const complete = stripped === bytes && !isWhole ? (app.read(file, LARGEST_BYTES) ?? bytes) : stripped;
    // A stripped file is a copy already, and copies of libraries use megabytes.
    const own = (copy: Buffer): Buffer => (copy === bytes ? Buffer.from(copy) : copy);
    const edited = withRunpath(complete, toLib === '$ORIGIN/' ? '$ORIGIN' : toLib, own);
    if (!edited.ok) return `pyflow can't rewrite the search path of ${path}: ${edited.failure}.`;
    let result = edited.value;
    for (const prefix of prefixes) {
      const parent = posix.dirname(prefix);
      // Interpreters use the compiled-in prefix only if they don't find their library, so it need not be correct, only not
      // private. Its last part stays, because linkers store a string as the tail of another one if possible: in one build the
      // version `3.12.1` was the tail of a prefix that ends in `/3.12.1`.
      if (parent.length >= PLACEHOLDER.length) result = withPath(result, `${parent}/`, `${PLACEHOLDER}/`, own);
    }
    if (!result.equals(bytes)) replaceFile(app, file, result);
  }
  app.chmod(file, isProgram || isExecutable(app, file) ? 0o755 : 0o644);
  return undefined;
}

function rewriteText(
  app: Folder,
  home: string,
  path: string,
  publicPrefix: string,
  prefixes: readonly string[],
): FormProblem | undefined {
  if (isGenerated(path)) {
    const file = `${home}/${path}`;
    const before = app.readText(file) ?? '';
    let text = before;
    for (const prefix of prefixes) text = text.replaceAll(asWhole(prefix), publicPrefix);
    if (text !== before) replaceFile(app, file, Buffer.from(text));
  }
  return undefined;
}

/** Matches `/usr` in `/usr/lib` and `/usr'`, but not in `/usrlocal`. */
const asWhole = (path: string): RegExp => new RegExp(`${escaped(path)}(?![\\w.-])`, 'g');
const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** Writes to a new inode, because the old one may be shared with a store or be read-only. */
function replaceFile(app: Folder, path: string, bytes: Buffer): void {
  app.write(path, bytes, isExecutable(app, path) ? 0o755 : 0o644);
}

const isExecutable = (app: Folder, path: string): boolean => ((app.stat(path)?.mode ?? 0) & 0o111) !== 0;

/** The prefixes that the interpreter was configured with, from its build data. */
function builtFor(app: Folder, home: string, minor: string): readonly string[] {
  const folder = `${home}/lib/python${minor}`;
  const found = new Set<string>();
  for (const { name, kind } of app.list(folder)) {
    if (kind !== 'file' || !/^_sysconfigdata.*\.py$/.test(name)) continue;
    const text = app.readText(`${folder}/${name}`) ?? '';
    for (const match of text.matchAll(/^[ \t]*\{?'(?:prefix|exec_prefix|abs_builddir|abs_srcdir)': '(\/[^']+)'/gm)) {
      const path = match[1];
      if (path !== undefined && path.split('/').length > 1) found.add(path);
    }
  }
  return [...found];
}

function linkNames(app: Folder, home: string, minor: string): void {
  app.symlink(`python${minor}`, `${home}/bin/python3`);
  app.symlink('python3', `${home}/bin/python`);
}
