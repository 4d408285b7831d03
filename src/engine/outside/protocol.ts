// The messages between pyflow and the process of a plugin. pyflow writes to one descriptor. The process writes to another one,
// which blocks, so that messages stay in order, floods wait, and the view can be asked synchronously.

import type { Host, RunContext } from '../sdk.js';

/** In the process: pyflow's messages arrive here. */
export const TOLD_DESCRIPTOR = 3;
/** In the process: it writes here and reads the answers to `look` here. */
export const SAID_DESCRIPTOR = 4;

/** In the process: its monitor gets questions and answers here. */
export const MONITOR_DESCRIPTOR = 5;

/** What the main thread of the process is doing. */
export interface Seen {
  readonly id?: string;
  readonly place?: string;
}

/** Bytes of one message of the process; returned values must be smaller. */
export const MOST_SAID_BYTES = 20 * 1024 * 1024;
/** Requests of one call that may wait at the same time. */
export const MOST_ASKS = 1000;
/** Characters of a value that a plugin returns. */
export const MOST_RETURNED = 16 * 1024 * 1024;

export type Method = 'reads' | 'run';

/** What a plugin's process knows about the machine from the start. */
export type HostFacts = Omit<Host, 'setting'>;

/** The part of a run's context that is data. */
export type ContextData = Pick<
  RunContext,
  | 'node'
  | 'appDir'
  | 'toolDir'
  | 'scratchDir'
  | 'cacheDir'
  | 'keptCache'
  | 'givenDir'
  | 'paths'
  | 'toolDirs'
  | 'env'
  | 'facts'
>;

export type Told =
  | { readonly type: 'load'; readonly file: string; readonly services: readonly string[]; readonly host: HostFacts }
  | {
      readonly type: 'call';
      readonly id: string;
      readonly method: Method;
      readonly node: { readonly config: unknown; readonly inputs: unknown };
      readonly run: { readonly mode: 'build' | 'test'; readonly appId: string };
      readonly context?: ContextData;
    }
  | { readonly type: 'abort'; readonly id: string }
  | { readonly type: 'reply'; readonly request: number; readonly value?: unknown; readonly error?: string }
  | { readonly type: 'line'; readonly request: number; readonly stream: 'stdout' | 'stderr'; readonly text: string };

/** What a plugin threw, as far as it can be shown. */
export interface Thrown {
  /** `TypeError: x is not a function`, or the type of the thrown value. */
  readonly text: string;
  readonly code?: string;
  /** `FILE:LINE`. */
  readonly place?: string;
}

export type Look = 'exists' | 'kindOf' | 'isExecutable' | 'list' | 'match' | 'env' | 'envNames' | 'state' | 'setting';
export type Ask = 'read' | 'subprocess' | 'download';
export type Tell = 'step' | 'info' | 'notice' | 'progress' | 'filtered';

export type Said =
  | { readonly type: 'loaded'; readonly manifest: unknown; readonly inject: unknown; readonly places: Places }
  | { readonly type: 'not-loaded'; readonly why: NotLoaded; readonly thrown?: Thrown }
  | { readonly type: 'returned'; readonly id: string; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: string; readonly failure: unknown }
  | { readonly type: 'threw'; readonly id: string; readonly thrown: Thrown; readonly late?: true }
  | { readonly type: 'unsendable'; readonly id: string; readonly where: string; readonly what: string }
  | { readonly type: 'look'; readonly id: string; readonly what: Look; readonly argument?: unknown }
  | {
      readonly type: 'ask';
      readonly id: string;
      readonly request: number;
      readonly what: Ask;
      readonly argument: unknown;
    }
  | { readonly type: 'tell'; readonly id: string; readonly what: Tell; readonly arguments: readonly unknown[] }
  | { readonly type: 'printed'; readonly id?: string; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  | { readonly type: 'heard'; readonly id: string }
  | { readonly type: 'flooding'; readonly id: string }
  | { readonly type: 'exiting'; readonly id?: string; readonly how: string; readonly place?: string };

/** Where the methods are, as `FILE:LINE`; absent if their text is not found. */
export type Places = Readonly<Partial<Record<Method, string>>>;

export type NotLoaded = 'import' | 'no-class' | 'inject' | 'constructor' | 'no-method' | 'unsendable';
