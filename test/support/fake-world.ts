// A fake process for commands of the program: keeps streams as text, and has an engine with scripted answers.

import type { Engine } from '../../src/cli/engine.js';
import { main } from '../../src/cli/main.js';
import type { Interruption, World } from '../../src/cli/world.js';

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FakeWorldOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly terminal?: { readonly columns: number; readonly rows: number };
  readonly engine?: Partial<Engine>;
  /** Milliseconds since the epoch. */
  readonly now?: number;
  readonly interruption?: () => Interruption | undefined;
}

export async function pyflow(argv: readonly string[], options: FakeWorldOptions = {}): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const { terminal } = options;
  const world: World = {
    version: '1.2.3',
    cwd: options.cwd ?? '/work',
    programDir: '/opt/pyflow/dist',
    env: options.env ?? {},
    homeDir: '/home/ada',
    stdout: {
      write: (text) => void (stdout += text),
      flush: () => undefined,
      isTerminal: terminal !== undefined,
      size: () => terminal,
    },
    stderr: {
      write: (text) => void (stderr += text),
      flush: () => undefined,
      isTerminal: false,
      size: () => undefined,
    },
    now: () => options.now ?? 1_000_000,
    later: () => () => undefined,
    onInterrupt: () => ({
      signal: new AbortController().signal,
      interruption: options.interruption ?? (() => undefined),
    }),
    atExit: () => undefined,
    engine: { ...unexpected, ...options.engine },
  };
  const status = await main(argv, world);
  return { status, stdout, stderr };
}

const refuse = (name: string) => () => Promise.reject(new Error(`the engine's ${name} was not expected to be called`));
const unexpected: Engine = {
  tryFastPath: refuse('tryFastPath'),
  run: refuse('run'),
  plan: refuse('plan'),
  check: refuse('check'),
  why: refuse('why'),
  kinds: refuse('kinds'),
  layOutTool: refuse('layOutTool'),
  inspect: refuse('inspect'),
  verify: refuse('verify'),
  exec: refuse('exec'),
};
