// Expected failures as values: their shape, `Result`, exit statuses, and the only helpers that may compare codes.

import type { JSONObject } from '../manifests/json-schema.js';

/** Who can fix it. Decides the exit status: app 1, pipeline 2, internal 70, environment 75. */
export type Blame = 'app' | 'pipeline' | 'internal' | 'environment';

/**
 * A failure that a user can meet. `code` is stable and listed in docs/failure-codes.md; the rest is prose for people.
 */
export interface Failure {
  readonly code: string;
  readonly blame: Blame;
  /** What failed, with the name of the thing. One line. */
  readonly title: string;
  /** What was seen: where and why. May have several lines. */
  readonly detail: string;
  /** What to do now: one instruction, or a numbered line for each. */
  readonly remedy: string;
  /**
   * The value to count failures by, such as the requested version or the file that was found. Absent when there is
   * none.
   */
  readonly subject?: string;
  /**
   * Outputs, by port, that the node had found before it failed. Those that its kind names as build data are reported.
   */
  readonly known?: JSONObject;
  /** A retry can help. Only failures of I/O are retryable. */
  readonly retryable?: true;
}

/** The failure in a report's build data, under the names that platforms know. */
export const failureData = ({ code, subject }: Failure): Readonly<Record<string, string>> => ({
  failure_reason: code,
  ...(subject !== undefined && { failure_detail: subject }),
});

export type Result<T, F = Failure> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: F };

export const succeed = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });
export const fail = <F>(failure: F): { readonly ok: false; readonly failure: F } => ({ ok: false, failure });

/** The same failure, with outputs that the node had found. Those that the failure already has win. */
export const failKnowing = (failure: Failure, known: JSONObject): { readonly ok: false; readonly failure: Failure } =>
  fail({ ...failure, known: { ...known, ...failure.known } });

export const EXIT_STATUS: Readonly<Record<Blame, number>> = { app: 1, pipeline: 2, internal: 70, environment: 75 };

/** The codes that pyflow itself acts on. Only people and their tools read the others. */
export type ActedOnCode =
  | 'cache::blob-lost'
  | 'cache::layer-lost'
  | 'command::arguments-too-large'
  | 'command::not-executable'
  | 'command::not-found'
  | 'download::host-unreachable'
  | 'node::limit'
  | 'node::timeout'
  | 'plugin::interrupted'
  | 'run::aborted';

/** The only way to branch on a code. A misspelled or retired code does not compile. */
export const hasCode = ({ code }: Pick<Failure, 'code'>, ...codes: readonly ActedOnCode[]): boolean =>
  codes.some((each) => each === code);

/** Whether the code is one of a list that only says more about failures, such as where to read on. */
export const isAmong = ({ code }: Pick<Failure, 'code'>, codes: ReadonlySet<string>): boolean => codes.has(code);

/** Whether the code belongs to an area, which is the part before the colons. */
export const isOfArea = ({ code }: Pick<Failure, 'code'>, area: 'download' | 'plugin' | 'worker'): boolean =>
  code.split('::', 1)[0] === area;

export const hasSameCode = (a: Pick<Failure, 'code'>, b: Pick<Failure, 'code'>): boolean => a.code === b.code;

/** Whether two failures report the same problem of the same thing, so that a reader needs only one of them. */
export const isSameFailure = (a: Failure, b: Failure): boolean => hasSameCode(a, b) && a.title === b.title;

const CARRIED = Symbol.for('pyflow.FailureError');

/**
 * Carries a failure through code that can only throw, such as streams and callbacks. The nearest function that returns
 * a Result catches it.
 */
export class FailureError extends Error {
  readonly [CARRIED] = true;

  constructor(readonly failure: Failure) {
    super(failure.title);
  }

  /** True for errors of outside plugins too: they import the sdk as a separate bundle, which has a separate class. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && CARRIED in value;
  }
}

export function unreachable(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
