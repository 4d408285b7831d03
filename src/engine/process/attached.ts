// Runs a program in our own terminal.

import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import type { Exit, SpawnOptions } from './command.js';
import { commandAborted, startFailure } from './failures.js';
import { signalGroup } from './processes.js';
import { spawnWith, type GivenDescriptors } from './spawn.js';

export interface AttachedOptions extends GivenDescriptors {
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Standard input, output and error of the command. Default: our own. */
  readonly stdio?: readonly ['inherit' | 'ignore' | number, 'inherit' | number, 'inherit' | number];
  /** Is passed on to the command and does not kill it. Its reason may name the signal (`{ signal: 'SIGINT' }`); default TERM. */
  readonly signal: AbortSignal;
  readonly sendSignal?: SpawnOptions['sendSignal'];
}

/**
 * Runs a program in our own terminal and waits for it, however long it takes to react to a signal. If this process exits
 * first, it kills the program.
 */
export function runAttached(argv: readonly string[], options: AttachedOptions): Promise<Result<Exit, Failure>> {
  const { cwd, env, signal, onStatus, sendSignal, stdio = ['inherit', 'inherit', 'inherit'] } = options;
  const [file = '', ...args] = argv;
  if (signal.aborted) return Promise.resolve(fail(commandAborted(argv)));
  let child: ChildProcess;
  try {
    // In a new session: the terminal's signals reach us alone, and we decide who else gets them.
    child = spawnWith(stdio, options, (all) => spawn(file, args, { cwd, env, detached: true, stdio: all }));
  } catch (error) {
    return Promise.resolve(fail(startFailure(argv, options, error)));
  }
  return new Promise((resolve) => {
    const { pid } = child;
    const send = (name: NodeJS.Signals): void => {
      if (pid !== undefined) (sendSignal ?? signalGroup)(pid, name);
    };
    const passOn = (): void =>
      send((signal.reason as { readonly signal?: NodeJS.Signals } | undefined)?.signal ?? 'SIGTERM');
    const kill = (): void => send('SIGKILL');
    const settle = (result: Result<Exit, Failure>): void => {
      signal.removeEventListener('abort', passOn);
      process.removeListener('exit', kill);
      resolve(result);
    };
    if (onStatus !== undefined) (child.stdio[3] as Readable).setEncoding('utf8').on('data', onStatus);
    child.on('error', (error) => {
      if (pid === undefined) settle(fail(startFailure(argv, options, error)));
    });
    child.on('exit', () => {
      // Kills what the command left in its group; a process namespace ends by itself.
      if (pid !== undefined) signalGroup(pid, 'SIGKILL');
    });
    child.on('close', (code, name) =>
      settle(succeed(code === null ? { signal: name ?? 'SIGKILL' } : { exitCode: code })),
    );
    signal.addEventListener('abort', passOn, { once: true });
    process.on('exit', kill);
  });
}
