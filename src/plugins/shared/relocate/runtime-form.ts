// The one form that every runtime has in the slug, whatever provider gave it: what belongs to it, and how its files
// are rewritten so that it runs from any folder and tells nothing of the machine it was built on.

import { posix } from 'node:path';
import { fail, succeed, type Folder, type MachineFolder, type Result, type WalkedEntry } from '../../../engine/sdk.js';
import { eachLimited } from '../python/each-limited.js';
import { readForStrip } from './elf-file.js';
import { isElf, withoutDebug, withPath, withRunpath } from './elf.js';

const REWRITERS = 4;
/** Files are read whole to be rewritten, and with debug sections a library may have tens of megabytes: one at a time. */
const LARGE_BYTES = 2 * 1024 * 1024;
const LARGEST_BYTES = 1024 * 1024 * 1024;

/** Of the standard library: nothing an app uses at run time. */
const DROPPED_FOLDERS: ReadonlySet<string> = new Set(['idlelib', 'turtledemo', 'test', 'tests', '__pycache__']);
/** Extension modules that exist for CPython's own tests. */
const TEST_MODULE = /^lib-dynload\/(_test|_ctypes_test|_xxtestfuzz|xxlimited|xxsubtype)/;

/** Does a file (relative to the prefix) belong to the runtime? Never pip: tools come on their own. */
export function belongsToRuntime(path: string, minor: string): boolean {
  const [top = '', second = '', ...rest] = path.split('/');
  if (top === 'bin') return rest.length === 0 && ['python', 'python3', `python${minor}`].includes(second);
  if (top === 'include') return second === `python${minor}`;
  if (top !== 'lib') return false;
  if (second === 'pkgconfig') return rest.join('/').startsWith('python');
  if (second !== `python${minor}`) return rest.length === 0 && /^lib.*\.so(\.[\d.]+)?$/.test(second);
  return belongsToStandardLibrary(rest);
}

/** Is it bytecode, at no level of optimization, of a file that belongs? */
export function isItsBytecode(path: string, minor: string): boolean {
  const source = sourceOf(path, minor);
  return source !== undefined && belongsToRuntime(source, minor);
}

/** Where the interpreter keeps the bytecode of a source (PEP 3147), read backwards. */
function sourceOf(path: string, minor: string): string | undefined {
  const found = /^(.*)\/__pycache__\/([^/]+)\.cpython-(\d+)\.pyc$/.exec(path);
  return found?.[3] === minor.replace('.', '') ? `${found[1]}/${found[2]}.py` : undefined;
}

/** May a folder hold anything that belongs? Spares reading the hundreds of megabytes that do not. */
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

/** Copies what belongs to the runtime of a folder of the machine into `home` of the app. */
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
    // A link that leads out of the folder (a stow farm, say) is replaced by what it leads to.
    if (target !== undefined && !target.includes('/')) app.symlink(target, `${home}/${path}`);
    else
      prefix.withFile(path, (file) => app.copyFrom(file, `${home}/${path}`, (file.mode & 0o100) === 0 ? 0o644 : 0o755));
  });
  return { files: wanted.length };
}

/** What stands against the form: a file and a reason, as one sentence. */
type FormProblem = string;

/**
 * Rewrites the runtime at `home` into the normal form: `publicPrefix` (where it lives at run time) in place of the
 * prefix it was built for, search paths of libraries relative to the file, no debug sections, nothing that does not
 * belong. Idempotent. Bytecode is a step of its own; what there is of sources that belong is left for it.
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
  // Longest first, so that a prefix below another is replaced whole.
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

/** Files of the standard library that name the prefix; the rest is left as released. */
const isGenerated = (path: string): boolean =>
  path.startsWith('lib/pkgconfig/') ||
  /(^|\/)(_sysconfigdata\w*[^/]*\.py|_sysconfig_vars\w*[^/]*\.json|build-details\.json)$/.test(path);

/** Stands for the parent of a private prefix in machine code; short, since it may not be longer. */
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
    // Debug sections first: they are most of a library, and every edit makes a copy.
    const stripped = withoutDebug(bytes);
    const complete = stripped === bytes && !isWhole ? (app.read(file, LARGEST_BYTES) ?? bytes) : stripped;
    // What was stripped is a copy already, and one of a library is megabytes.
    const own = (copy: Buffer): Buffer => (copy === bytes ? Buffer.from(copy) : copy);
    const edited = withRunpath(complete, toLib === '$ORIGIN/' ? '$ORIGIN' : toLib, own);
    if (!edited.ok) return `pyflow can't rewrite the search path of ${path}: ${edited.failure}.`;
    let result = edited.value;
    for (const prefix of prefixes) {
      const parent = posix.dirname(prefix);
      // The compiled-in prefix is a last resort of an interpreter that does not find its library beside it, so it need
      // not be right, only not private. Its last part stays: linkers let a string be the tail of another, and the
      // version text `3.12.1` was seen to be the tail of a prefix that ends in `/3.12.1`.
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

/** `/usr` in `/usr/lib` and `/usr'`, not in `/usrlocal`. */
const asWhole = (path: string): RegExp => new RegExp(`${escaped(path)}(?![\\w.-])`, 'g');
const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** New bytes under a new inode: the old one may be shared with a store or be read-only. */
function replaceFile(app: Folder, path: string, bytes: Buffer): void {
  app.write(path, bytes, isExecutable(app, path) ? 0o755 : 0o644);
}

const isExecutable = (app: Folder, path: string): boolean => ((app.stat(path)?.mode ?? 0) & 0o111) !== 0;

/** The prefixes that the interpreter was configured for, as its own build data tells. */
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
