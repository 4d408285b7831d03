// Runs one plugin after another on real folders and in a real sandbox, like the engine, without keys or a store. It has
// all services, so pass the harness itself to the constructor of a kind.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import picomatch from 'picomatch';
import type { Sandbox } from '../../src/engine/process/sandbox/sandbox.js';
import {
  type Archive,
  type Clock,
  type CommandExit,
  type Download,
  fail,
  type Failure,
  type Host,
  type NodeLog,
  type Reads,
  type Result,
  type RunContext,
  type RunOutput,
  type Subprocess,
  succeed,
  type ViewReader,
} from '../../src/engine/sdk.js';
import { Folder } from '../../src/engine/files/folder.js';
import { filesService } from '../../src/engine/services/files.js';
import type { HostCommand } from '../../src/plugins/shared/python/host-command.js';
import { createPlainSandbox } from '../../src/engine/process/sandbox/plain.js';
import { directPackages } from '../../src/engine/packages/direct.js';
import { runTool } from '../../src/engine/process/subprocess.js';
import { FolderView } from './folder-view.js';

interface AnyKind<C, I, O> {
  reads(node: { readonly config: C; readonly inputs: I }, view: ViewReader): Promise<Result<Reads, Failure>>;
  run(node: { readonly config: C; readonly inputs: I }, context: RunContext): Promise<Result<RunOutput<O>, Failure>>;
}

export interface Printed {
  readonly type: 'step' | 'info' | 'notice' | 'stdout' | 'stderr' | 'progress';
  readonly text: string;
}

export interface HarnessOptions {
  readonly sandbox?: Sandbox;
  readonly settings?: Readonly<Record<string, string>>;
  readonly appEnv?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly mode?: 'build' | 'test';
  /** The folder that contains all others. Default: a new one. */
  readonly root?: string;
  readonly download?: Download;
  /** Search path for the program `zstd`. Default: that of this process. */
  readonly searchPath?: readonly string[];
}

/** Same as the engine's base environment. */
const BASE_ENV = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONHASHSEED: '0',
  PYTHONDONTWRITEBYTECODE: '1',
  SOURCE_DATE_EPOCH: '315619200',
};

export class PluginHarness {
  readonly root: string;
  readonly appDir: string;
  readonly printed: Printed[] = [];
  readonly #sandbox: Sandbox;
  #nodes = 0;

  constructor(readonly options: HarnessOptions = {}) {
    this.root = options.root ?? mkdtempSync(join(tmpdir(), 'pyflow-harness-'));
    this.appDir = join(this.root, 'run', 'app');
    mkdirSync(this.appDir, { recursive: true });
    this.#sandbox = options.sandbox ?? createPlainSandbox({ passThrough: operatorCertificates() });
  }

  readonly host: Host = {
    os: process.platform,
    arch: process.arch,
    libc: { name: 'glibc', version: '2.36' },
    release: { id: 'debian', version: '12' },
    setting: (name) => this.options.settings?.[name],
    searchPath: (process.env['PATH'] ?? '').split(':'),
    homeDir: homedir(),
  };
  readonly hostCommand: HostCommand = { runTool };
  readonly files = filesService;
  readonly clock: Clock = { now: Date.now };
  readonly log: NodeLog = {
    step: (_, text) => void this.printed.push({ type: 'step', text }),
    info: (_, text) => void this.printed.push({ type: 'info', text }),
    notice: (_, code, text) => void this.printed.push({ type: 'notice', text: `${code}: ${text}` }),
    progress: (_, what, done, total, unit) =>
      void this.printed.push({ type: 'progress', text: `${what} ${done}/${total ?? '?'} ${unit}` }),
  };
  readonly packages = directPackages;
  readonly subprocess: Subprocess = {
    run: async (context, command) => {
      const session = this.#sessions.get(context.handle);
      if (session === undefined) throw new Error('unknown context');
      const lines: string[] = [];
      const result = await session.run({
        argv: command.argv,
        ...(command.cwd !== undefined && { cwd: command.cwd }),
        env: { ...context.env, ...command.env },
        network: command.network ?? true,
        signal: context.signal,
        onLine: (stream, text) => {
          const kept = command.filter === undefined ? text : command.filter(stream, text);
          if (kept === undefined) return;
          this.printed.push({ type: stream, text: kept });
          lines.push(kept);
        },
      });
      if (!result.ok) return result;
      const exit: CommandExit = {
        exitCode: result.value.exitCode ?? 137,
        lines: lines.slice(-(command.keepLines ?? 200)),
      };
      return succeed(exit);
    },
  };
  readonly #sessions = new Map<object, ReturnType<Sandbox['open']>>();

  readonly download: Download = {
    fetch: async (context, request) =>
      this.options.download === undefined ? fetchFileUrl(request) : this.options.download.fetch(context, request),
  };
  readonly archive: Archive = {
    unpack: async (context, request) => {
      const { unpackArchive } = await import('../../src/engine/services/archive.js');
      return unpackArchive({
        ...request,
        searchPath: this.options.searchPath ?? this.host.searchPath,
        signal: context.signal,
      });
    },
  };

  /** Calls `reads`, then `run` in this harness's app folder. `tools`: input port -> folder of the tool. */
  async play<C, I, O>(
    kind: AnyKind<C, I, O>,
    config: C,
    inputs: I,
    node: { readonly tools?: Readonly<Record<string, string>>; readonly makesTool?: boolean } = {},
  ): Promise<{ readonly reads: Reads; readonly result: Result<RunOutput<O>, Failure>; readonly toolDir: string }> {
    this.#nodes += 1;
    const folder = join(this.root, 'run', `node-${this.#nodes}`);
    const cacheDir = join(this.root, 'cache');
    const scratchDir = join(folder, 'scratch');
    const givenDir = join(folder, 'given');
    const toolDir = join(folder, 'tool');
    for (const path of [scratchDir, cacheDir, givenDir, toolDir]) mkdirSync(path, { recursive: true });
    const view = new FolderView(this.appDir, this.options.appEnv ?? {}, this.options.mode ?? 'build');
    const reads = await kind.reads({ config, inputs }, view);
    if (!reads.ok) return { reads: {}, result: fail(reads.failure), toolDir };
    const tools = node.tools ?? {};
    const session = this.#sandbox.open({
      appDir: this.appDir,
      scratchDir,
      cacheDir,
      givenDir,
      tools,
      ...(node.makesTool && { toolDir }),
    });
    const handle = {};
    this.#sessions.set(handle, session);
    const context: RunContext = {
      node: `node-${this.#nodes}`,
      appDir: this.appDir,
      ...(node.makesTool && { toolDir }),
      scratchDir,
      cacheDir,
      keptCache: 'open' as const,
      givenDir,
      paths: session.paths,
      toolDirs: tools,
      env: { ...BASE_ENV, HOME: session.paths.scratch, ...this.options.env },
      facts: reads.value.facts ?? null,
      view,
      signal: new AbortController().signal,
      handle,
    };
    try {
      return { reads: reads.value, result: await kind.run({ config, inputs }, context), toolDir };
    } finally {
      await session.close();
      this.#sessions.delete(handle);
    }
  }

  text(): string {
    return this.printed.map((line) => line.text).join('\n');
  }

  close(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Every file in a folder: path -> digest of bytes, execute bit and link target. */
export async function fingerprint(root: string, pattern = '**'): Promise<Readonly<Record<string, string>>> {
  const matches = picomatch(pattern, { dot: true });
  const entries: [string, string][] = [];
  for (const { path, kind } of await new Folder(root).walk()) {
    if (!matches(path)) continue;
    const file = join(root, path);
    if (kind === 'symlink') entries.push([path, `-> ${await readlink(file)}`]);
    else {
      const executable = ((await lstat(file)).mode & 0o100) !== 0;
      entries.push([
        path,
        `${createHash('sha256')
          .update(await readFile(file))
          .digest('hex')}${executable ? ' x' : ''}`,
      ]);
    }
  }
  return Object.fromEntries(entries);
}

/** Paths that differ between two fingerprints. */
export const differences = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((path) => a[path] !== b[path]).sort();

/** The folder of a pyenv version of this minor, if this machine has one. */
export function pyenvPrefix(version: string): string | undefined {
  const prefix = join(homedir(), '.pyenv', 'versions', version);
  return existsSync(join(prefix, 'bin', 'python3')) ? prefix : undefined;
}

/** Variables that the engine passes to commands with network access. */
export const operatorCertificates = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [
      'SSL_CERT_FILE',
      'SSL_CERT_DIR',
      'REQUESTS_CA_BUNDLE',
      'PIP_CERT',
      'http_proxy',
      'https_proxy',
      'no_proxy',
      'HTTP_PROXY',
      'HTTPS_PROXY',
      'NO_PROXY',
    ].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );

async function fetchFileUrl(request: {
  readonly url: string;
  readonly sha256: string;
}): Promise<Result<string, Failure>> {
  const path = new URL(request.url).pathname;
  const problem = (code: string): Failure => ({
    code,
    blame: 'environment',
    title: code,
    detail: path,
    remedy: 'None.',
  });
  if (!existsSync(path)) return fail(problem('download::not-found'));
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
  return digest === request.sha256 ? succeed(path) : fail(problem('download::wrong-digest'));
}
