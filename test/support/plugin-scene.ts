// Runs one plugin with a real folder as its view, real programs as subprocesses, and a recorded log.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type CommandExit,
  type Failure,
  type NodeLog,
  type Reads,
  type Result,
  type RunContext,
  type RunOutput,
  type Subprocess,
  succeed,
  type ViewReader,
} from '../../src/engine/sdk.js';
import { filesService } from '../../src/engine/services/files.js';
import { FolderView } from './folder-view.js';

export interface SceneOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly executables?: readonly string[];
  readonly appEnv?: Readonly<Record<string, string>>;
  readonly mode?: 'build' | 'test';
}

export interface Started {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly network: boolean | undefined;
}

export interface Printed {
  readonly type: 'step' | 'info' | 'notice';
  readonly text: string;
  readonly code?: string;
}

interface ScenePlugin<C, I, O> {
  reads(node: { readonly config: C; readonly inputs: I }, view: ViewReader): Promise<Result<Reads, Failure>>;
  run(node: { readonly config: C; readonly inputs: I }, context: RunContext): Promise<Result<RunOutput<O>, Failure>>;
}

export class PluginScene {
  readonly root = mkdtempSync(join(tmpdir(), 'pyflow-plugin-'));
  readonly appDir = join(this.root, 'view');
  readonly printed: Printed[] = [];
  readonly started: Started[] = [];
  readonly view: ViewReader;
  /** Folders as commands see them. Set `app` to `/app` to imitate a sandbox; programs then do not find it. */
  seenAppDir = this.appDir;

  constructor(private readonly options: SceneOptions = {}) {
    for (const folder of ['view', 'scratch', 'cache', 'given']) mkdirSync(join(this.root, folder));
    for (const [path, text] of Object.entries(options.files ?? {})) this.write(path, text);
    this.view = new FolderView(this.appDir, options.appEnv ?? {}, options.mode);
  }

  write(path: string, text: string): void {
    const real = join(this.appDir, path);
    mkdirSync(dirname(real), { recursive: true });
    writeFileSync(real, text, { mode: this.options.executables?.includes(path) ? 0o755 : 0o644 });
  }

  read(path: string): string {
    return readFileSync(join(this.appDir, path), 'utf8');
  }

  has(path: string): boolean {
    return existsSync(join(this.appDir, path));
  }

  readonly files = filesService;

  readonly log: NodeLog = {
    step: (_, text) => this.printed.push({ type: 'step', text }),
    info: (_, text) => this.printed.push({ type: 'info', text }),
    notice: (_, code, text) => this.printed.push({ type: 'notice', code, text }),
    progress: () => undefined,
  };

  /** Programs really run, in the private folder and with no inherited environment. */
  readonly subprocess: Subprocess = {
    run: (context, command) =>
      new Promise<Result<CommandExit, Failure>>((resolve, reject) => {
        const [program = '', ...args] = command.argv;
        const env = { ...context.env, ...command.env };
        const cwd = command.cwd ?? context.paths.app;
        this.started.push({ argv: command.argv, cwd, env, network: command.network });
        const lines: string[] = [];
        const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
        for (const stream of ['stdout', 'stderr'] as const) {
          let rest = '';
          child[stream].setEncoding('utf8').on('data', (text: string) => {
            const parts = (rest + text).split('\n');
            rest = parts.pop() ?? '';
            for (const part of parts) {
              const kept = command.filter ? command.filter(stream, part) : part;
              if (kept !== undefined) lines.push(kept);
            }
          });
        }
        child.on('error', reject);
        child.on('close', (code) => resolve(succeed({ exitCode: code ?? 255, lines: lines.slice(-200) })));
      }),
  };

  context(reads: Reads): RunContext {
    const appEnv = this.options.appEnv ?? {};
    const named = (reads.env ?? []).flatMap((name) => (appEnv[name] === undefined ? [] : [[name, appEnv[name]]]));
    return {
      node: 'node',
      appDir: this.appDir,
      scratchDir: join(this.root, 'scratch'),
      cacheDir: join(this.root, 'cache'),
      keptCache: 'open' as const,
      givenDir: join(this.root, 'given'),
      paths: {
        app: this.seenAppDir,
        scratch: join(this.root, 'scratch'),
        cache: join(this.root, 'cache'),
        given: join(this.root, 'given'),
        tools: {},
      },
      toolDirs: {},
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        HOME: '/nonexistent',
        LANG: 'C.UTF-8',
        ...Object.fromEntries(named),
      },
      facts: reads.facts ?? null,
      view: this.view,
      signal: new AbortController().signal,
      handle: {},
    };
  }

  /** Calls `reads`, then `run`, like the engine. */
  async play<C, I, O>(
    plugin: ScenePlugin<C, I, O>,
    config: C,
    inputs: I,
  ): Promise<{ readonly reads: Reads; readonly result: Result<RunOutput<O>, Failure> }> {
    const reads = await plugin.reads({ config, inputs }, this.view);
    if (!reads.ok) throw new Error(reads.failure.title);
    return { reads: reads.value, result: await plugin.run({ config, inputs }, this.context(reads.value)) };
  }

  close(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
