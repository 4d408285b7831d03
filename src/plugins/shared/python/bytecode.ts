// Compiles Python sources to bytecode in a reproducible way: the bytes depend on the sources and the interpreter, not on the
// folder, the locale or the time.

import { succeed, type Result, type RunContext, type Services } from '../../../engine/sdk.js';
import { bytecodeFailed } from './failures.js';
import { PUBLIC_APP_DIR } from './home.js';

/** Limit for the files that one process compiles. */
const LARGEST_GROUP = 64;
/** Few sources are larger, and a sparse file of terabytes would use all memory. */
const LARGEST_SOURCE = 64 * 1024 * 1024;
/** A container may have a share of the processors only, and each process uses memory. */
const MOST_PROCESSES = 8;

/**
 * Like compileall with `-f --invalidation-mode unchecked-hash -s APP -p /app`, with three differences:
 * - The script's folder comes first on the search path, so modules of the app can't replace those of the standard library.
 * - The type cache is cleared before each code object is written. It keeps references to names in slots that depend on their
 *   addresses, and the bytes depend on the number of references (2 of 600 files differed between runs on 3.10).
 * - For the same reason, files are compiled in groups that depend only on their names, each in a separate process. So the bytes
 *   don't depend on the number of parallel processes.
 * Names are separated by NUL, so any name is possible. Like pip, it skips files that do not compile (templates, other versions of
 * the language). It also skips files that are not regular, because a pipe would block, and targets that can't be written.
 * With `reuse`, it keeps existing bytecode that belongs to this interpreter and has the hash of its source (PEP 552), and only
 * rewrites the path in it.
 */
const DRIVER = `import contextlib, errno, gc, marshal, os, sys
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
clear_caches = getattr(sys, '_clear_internal_caches', None) or sys._clear_type_cache
UNCHECKED_HASH = b'\\1\\0\\0\\0'
IN_THE_WAY = (errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EPERM)
names, strip, prepend, reuse = sys.argv[1:5]

def renamed(code, name):
    consts = tuple(renamed(const, name) if isinstance(const, type(code)) else const for const in code.co_consts)
    return code.replace(co_filename=name, co_consts=consts)

def dumped(code):
    clear_caches()
    return marshal.dumps(code)

def is_source(name):
    try:
        return os.path.isfile(name) and os.path.getsize(name) <= ${LARGEST_SOURCE}
    except OSError:
        return False

def write(target, content):
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.remove(target)
        with open(target, 'xb') as stream:
            stream.write(content)
    except OSError as error:
        if error.errno not in IN_THE_WAY:
            raise

def bytecode_there(target, hash, name):
    if not os.path.isfile(target):
        raise ValueError(target)
    with open(target, 'rb') as stream:
        content = stream.read()
    if content[:4] != MAGIC_NUMBER or content[4] & 1 == 0 or content[8:16] != hash:
        raise ValueError(target)
    code = marshal.loads(content[16:])
    return content[16:] if code.co_filename == name else dumped(renamed(code, name))

def bytecode_of(loader, source, target, hash, name):
    if reuse:
        try:
            return bytecode_there(target, hash, name)
        except Exception:
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                os.remove(target)
    return dumped(loader.source_to_code(source, name))

def compile_group(files):
    for name in files:
        if not is_source(name):
            continue
        loader = SourceFileLoader('module', name)
        source = loader.get_data(name)
        hash, shown = source_hash(source), prepend + name[len(strip):]
        target = cache_from_source(name, optimization='')
        try:
            bytecode = bytecode_of(loader, source, target, hash, shown)
        except Exception:
            continue
        write(target, MAGIC_NUMBER + UNCHECKED_HASH + hash + bytecode)

def start(files):
    if os.fork() > 0:
        return
    status = 1
    try:
        gc.disable()
        compile_group(files)
        status = 0
    except Exception:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(status)

groups, folder = [], None
with open(names, 'rb') as stream:
    for name in (os.fsdecode(name) for name in stream.read().split(b'\\0') if name):
        before, folder = folder, os.path.dirname(name[len(strip):])
        is_cut = folder != before and sum(os.fsencode(folder)) % 8 == 0
        if not groups or is_cut or len(groups[-1]) == ${LARGEST_GROUP}:
            groups.append([])
        groups[-1].append(name)
processors = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
at_once, statuses = min(processors, ${MOST_PROCESSES}), []
for started, group in enumerate(groups):
    if started >= at_once:
        statuses.append(os.wait()[1])
    start(group)
while len(statuses) < len(groups):
    statuses.append(os.wait()[1])
sys.exit(any(statuses))
`;

/**
 * Writes `__pycache__` entries for `files`, which are `.py` files relative to the app or to another `root`. Uses all processors,
 * up to a limit.
 */
export async function compileBytecode(
  { subprocess, files }: Pick<Services, 'files' | 'subprocess'>,
  context: RunContext,
  request: {
    readonly python: string;
    readonly files: readonly string[];
    /** The folder as commands see it, and its path in the bytecode. */
    readonly root?: { readonly seen: string; readonly public: string };
    /** Whether existing bytecode came with the sources and may be used. Default: it is replaced. */
    readonly reuse?: boolean;
  },
): Promise<Result<void>> {
  if (request.files.length === 0) return succeed(undefined);
  const root = request.root ?? { seen: context.paths.app, public: PUBLIC_APP_DIR };
  const names = [...request.files].sort().map((file) => `${root.seen}/${file}\0`);
  const { given } = files.of(context);
  given.write('bytecode/compile.py', DRIVER);
  given.write('bytecode/files', names.join(''));
  const folder = `${context.paths.given}/bytecode`;
  const exit = await subprocess.run(context, {
    // No -I or -E, because they ignore the hash seed.
    argv: [
      request.python,
      '-s',
      '-S',
      '-B',
      `${folder}/compile.py`,
      `${folder}/files`,
      root.seen,
      root.public,
      request.reuse === true ? 'reuse' : '',
    ],
    cwd: folder,
    env: BYTECODE_ENV,
    network: false,
  });
  if (!exit.ok) return exit;
  if (exit.value.exitCode !== 0) return { ok: false, failure: bytecodeFailed(exit.value) };
  return succeed(undefined);
}

/** For the interpreter, empty means unset. They are listed because a node's `env` may set them. */
const BYTECODE_ENV: Readonly<Record<string, string>> = {
  LANG: 'C.UTF-8',
  LC_ALL: 'C.UTF-8',
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONHASHSEED: '0',
  PYTHONHOME: '',
  PYTHONOPTIMIZE: '',
  PYTHONPATH: '',
  PYTHONPYCACHEPREFIX: '',
  PYTHONUTF8: '1',
  PYTHONVERBOSE: '',
  PYTHONWARNINGS: 'ignore',
};
