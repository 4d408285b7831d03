// What a command sees of the process it runs in, so that tests can be another process. Types only.

import type { Engine } from './engine.js';

export interface Output {
  write(text: string): void;
  /** Hands on what `write` gathered. */
  flush(): void;
  readonly isTerminal: boolean;
  /** Asked again at every frame: terminals are resized. Undefined when there is no terminal. */
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
  /** Where the program itself lies; what it ships is beside that folder. */
  readonly programDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDir: string;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `action` after so many milliseconds; returns a way to call it off. Never keeps the process alive. */
  later(action: () => void, ms: number): () => void;
  /**
   * From here on SIGINT and SIGTERM abort the signal instead of ending the process; a second one ends it at once.
   */
  onInterrupt(): { readonly signal: AbortSignal; interruption(): Interruption | undefined };
  /** Runs when the process ends, also by a second signal or a bug: gives the terminal its cursor back. */
  atExit(action: () => void): void;
  readonly engine: Engine;
}
