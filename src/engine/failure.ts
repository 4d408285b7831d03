// Expected failures as values, and the one way to make them. Unaware of what fails.

import type { JSONObject } from '../manifests/json-schema.js';

/** Decides the exit status and the closing advice. */
export type Blame = 'app' | 'pipeline' | 'internal' | 'environment';

/** A failure a user may meet. `code` is stable and listed in docs/failure-codes.md; the rest is prose for people. */
export interface Failure {
  readonly code: string;
  readonly blame: Blame;
  /** What happened, one line. */
  readonly title: string;
  /** Where and why; may have several lines. */
  readonly detail: string;
  /** What to do next. */
  readonly remedy: string;
  /** What it is about, in a word or a line, for those who count failures: the version asked for, the file found. */
  readonly subject?: string;
  /** Outputs of the node that it had found before it failed, by port; those that its kind names are build data. */
  readonly known?: JSONObject;
  /** Trying again may help. Only failures of I/O are retryable. */
  readonly retryable?: true;
}

/** What the flat facts of a report say of it, under the names that platforms know. */
export const failureData = ({ code, subject }: Failure): Readonly<Record<string, string>> => ({
  failure_reason: code,
  ...(subject !== undefined && { failure_detail: subject }),
});

export type Result<T, F = Failure> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: F };

export const succeed = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });
export const fail = <F>(failure: F): { readonly ok: false; readonly failure: F } => ({ ok: false, failure });

/** The same failure, with what the node had found. */
export const failKnowing = (failure: Failure, known: JSONObject): { readonly ok: false; readonly failure: Failure } =>
  fail({ ...failure, known: { ...known, ...failure.known } });

export const EXIT_STATUS: Readonly<Record<Blame, number>> = { app: 1, pipeline: 2, internal: 70, environment: 75 };

/** The codes that pyflow itself acts on. All others are for people and their tools only. */
export type ActedOnCode =
  | 'command::arguments-too-large'
  | 'command::not-executable'
  | 'command::not-found'
  | 'download::host-unreachable'
  | 'node::limit'
  | 'node::timeout'
  | 'plugin::interrupted'
  | 'run::aborted';

/** The only way to branch on a code: a misspelled or retired one does not compile. */
export const hasCode = ({ code }: Pick<Failure, 'code'>, ...codes: readonly ActedOnCode[]): boolean =>
  codes.some((each) => each === code);

/** Whether the code is one of an area: what stands before the colons. */
export const isOfArea = ({ code }: Pick<Failure, 'code'>, area: 'cache' | 'download' | 'plugin'): boolean =>
  code.split('::', 1)[0] === area;

export const hasSameCode = (a: Pick<Failure, 'code'>, b: Pick<Failure, 'code'>): boolean => a.code === b.code;

/** Whether two failures say the same about the same thing, so that a reader needs only one of them. */
export const isSameFailure = (a: Failure, b: Failure): boolean => hasSameCode(a, b) && a.title === b.title;

const CARRIED = Symbol.for('pyflow.FailureError');

/** Carries a failure through code that can only throw (streams, callbacks); caught at the nearest Result boundary. */
export class FailureError extends Error {
  readonly [CARRIED] = true;

  constructor(readonly failure: Failure) {
    super(failure.title);
  }

  /** Those of outside plugins too: the sdk that they import is a bundle of its own, with a class of its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && CARRIED in value;
  }
}

export function unreachable(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
