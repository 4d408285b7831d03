// The process that a command runs in, as an interface, so that tests can pass another one.

import type { Engine } from './engine.js';

export interface Output {
  write(text: string): void;
  /** Writes out what `write` has collected. */
  flush(): void;
  readonly isTerminal: boolean;
  /** Renderers ask at every frame, because terminals are resized. Undefined if there is no terminal. */
  size(): { readonly columns: number; readonly rows: number } | undefined;
}

/** How a run was interrupted; `exitStatus` is 128 + the signal's number. */
export interface Interruption {
  readonly signal: 'SIGINT' | 'SIGTERM';
  readonly exitStatus: number;
}

export interface World {
  readonly version: string;
  readonly cwd: string;
  /** The folder of the program. The files that it ships are beside this folder. */
  readonly programDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDir: string;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `action` after `ms` milliseconds. Returns a function that cancels it. Never keeps the process alive. */
  later(action: () => void, ms: number): () => void;
  /** From the first call on, SIGINT and SIGTERM abort `signal` instead of ending the process; a second one ends it at once. */
  onInterrupt(): { readonly signal: AbortSignal; interruption(): Interruption | undefined };
  /** Runs when the process ends, also after a second signal or a bug. Used to show the terminal's cursor again. */
  atExit(action: () => void): void;
  readonly engine: Engine;
}
