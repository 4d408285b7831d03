// A problem in a pipeline file: where, what, why, and how to fix it.

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
}

export interface Diagnostic {
  /** Stable, `pipeline::problem`; listed in docs/failure-codes.md. */
  readonly code: string;
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly start: Position;
  readonly end: Position;
  /** What is wrong, one line. */
  readonly message: string;
  /** Why it is a problem; absent when the message is enough. */
  readonly reason?: string;
  /** What to do next. */
  readonly remedy: string;
}
