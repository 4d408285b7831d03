// Runs short tools outside any sandbox: captures or streams what they print. The only importer of execa.

import { spawn } from 'node:child_process';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { commandAborted, commandTimedOut, startFailure } from './failures.js';
import { GRACE_MS } from './processes.js';

interface ToolOptions {
  readonly timeoutMs: number;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  readonly signal?: AbortSignal;
}
interface ToolOutput {
  /** Absent when a signal ended it. */
  readonly exitCode?: number;
  readonly signal?: string;
  /** Without the last line end. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a short command outside any sandbox and captures what it prints; a non-zero exit is a value. */
export async function runTool(
  file: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<Result<ToolOutput, Failure>> {
  const { timeoutMs, env, cwd, input, signal } = options;
  const argv = [file, ...args];
  if (signal?.aborted === true) return fail(commandAborted(argv));
  const { execa } = await import('execa');
  const result = await execa(file, args, {
    env,
    extendEnv: false,
    reject: false,
    timeout: timeoutMs,
    forceKillAfterDelay: GRACE_MS,
    maxBuffer: 16 * 1024 * 1024,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  if (result.isCanceled) return fail(commandAborted(argv));
  if (result.timedOut) return fail(commandTimedOut(argv, timeoutMs));
  const { exitCode, signal: endedBy, stdout, stderr } = result;
  if (exitCode === undefined && endedBy === undefined)
    return fail(startFailure(argv, { cwd: cwd ?? '.', env }, result.cause ?? result));
  return succeed({
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(endedBy === undefined ? {} : { signal: endedBy }),
    stdout,
    stderr,
  });
}

/**
 * What a program prints, in chunks. Throws a FailureError if it can't be started, and an error with the end of its
 * stderr if it fails. Ends the program if the reader stops early.
 */
export async function* streamTool(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): AsyncGenerator<Buffer> {
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = `${words}${chunk.toString('utf8')}`.slice(-1000);
  });
  const ended = new Promise<number | undefined>((resolve, reject) => {
    child.on('error', (error) => {
      if (child.pid === undefined) reject(new FailureError(startFailure([file], { cwd: '.', env }, error)));
    });
    child.on('close', (code) => resolve(code ?? undefined));
  });
  // Awaited only after the output has ended.
  ended.catch(() => {});
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const exitCode = await ended;
    if (exitCode !== 0) throw new Error(`${file} failed: ${words.trim()}`);
  } finally {
    child.kill('SIGKILL');
  }
}
