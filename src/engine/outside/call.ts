// One call of a plugin's method as pyflow sees it: what it may ask for, its limits, and how it can end.

import type { Ask, Look, Said, Tell, Thrown } from './protocol.js';

/** How a call ended; `failed` carries a failure that plugin code threw. */
export type Answer =
  | { readonly type: 'returned'; readonly value: unknown }
  | { readonly type: 'failed'; readonly failure: unknown }
  | { readonly type: 'threw'; readonly thrown: Thrown }
  | { readonly type: 'unsendable'; readonly where: string; readonly what: string }
  | { readonly type: 'died'; readonly death: Death; readonly isCulprit: boolean; readonly isCulpritKnown: boolean }
  | { readonly type: 'hung'; readonly isWaiting: boolean; readonly place?: string };

export type Death =
  | { readonly why: 'exited'; readonly how: string; readonly place?: string; readonly printed?: string }
  | { readonly why: 'memory' }
  | { readonly why: 'flood'; readonly what: string }
  | { readonly why: 'protocol'; readonly what: string }
  | { readonly why: 'blocked'; readonly place?: string }
  | { readonly why: 'ended' };

/** What a call may ask pyflow for while it runs. Anything thrown becomes an error in the plugin. */
export interface CallServices {
  look(what: Look, argument: unknown): unknown;
  ask(what: Ask, argument: unknown, onLine: (stream: 'stdout' | 'stderr', text: string) => void): Promise<unknown>;
  tell(what: Tell, given: readonly unknown[]): void;
  printed(stream: 'stdout' | 'stderr', text: string): void;
  /** An error that came after the method had returned. */
  strayed(thrown: Thrown): void;
}

export interface PendingCall {
  readonly services: CallServices;
  readonly settle: (answer: Answer) => void;
  asks: number;
  printedCharacters: number;
  isHeard: boolean;
  isAnswered: boolean;
  readonly isRun: boolean;
  /** By the clock of `performance`. */
  readonly endsAt: number;
  readonly graceMs: number;
  graceTimer?: NodeJS.Timeout;
}

export interface CallLimits {
  readonly signal?: AbortSignal | undefined;
  /** Checked periodically. */
  readonly deadlineMs?: number;
  /** From the signal or the deadline to the end of the process. */
  readonly graceMs: number;
}

type Loaded = Extract<Said, { type: 'loaded' | 'not-loaded' }>;
export type LoadAnswer =
  | Loaded
  | { readonly type: 'died'; readonly death: Death }
  | { readonly type: 'hung'; readonly place?: string }
  | { readonly type: 'cannot-start'; readonly message: string };
