// Reads the end of an installer's log: is there a known cause, and was the network at fault? Unaware of the installer.

import {
  FATAL_TROUBLE,
  KNOWN_CAUSES,
  NOTHING_FOUND,
  PASSING_TROUBLE,
  type KnownCause,
  type Trouble,
} from './install-log-patterns.js';

export interface LogVerdict {
  readonly cause?: KnownCause;
  /** Something outside the app failed, so that another try may go well. */
  readonly trouble?: { readonly kind: Trouble; readonly line: string };
  /** The lines in which the installer says what is wrong. */
  readonly errors: readonly string[];
}

const SHOWN_ERRORS = 12;

export function judgeInstallLog(lines: readonly string[]): LogVerdict {
  const trimmed = lines.map((line) => line.trim());
  const cause = KNOWN_CAUSES.find(({ pattern }) => trimmed.some((line) => pattern.test(line)));
  const errors = trimmed.filter((line) => /^(ERROR|error|fatal):/.test(line)).slice(-SHOWN_ERRORS);
  const fatal = firstMatch(trimmed, FATAL_TROUBLE);
  const passing = trimmed.some((line) => NOTHING_FOUND.test(line)) ? firstMatch(trimmed, PASSING_TROUBLE) : undefined;
  const trouble = fatal ?? passing;
  return { ...(cause && { cause }), ...(trouble && { trouble }), errors };
}

function firstMatch(lines: readonly string[], patterns: typeof FATAL_TROUBLE): LogVerdict['trouble'] {
  for (const { trouble, pattern } of patterns) {
    const line = lines.find((candidate) => pattern.test(candidate));
    if (line !== undefined) return { kind: trouble, line };
  }
  return undefined;
}
