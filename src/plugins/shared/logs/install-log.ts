// Reads the end of an installer's log: looks for known causes, network problems and error lines.

import { buildCauses } from './build-log.js';
import { gitTrouble } from './git-trouble.js';
import { indentOf } from './indent.js';
import {
  ERROR_LINE,
  FATAL_TROUBLE,
  GAVE_UP,
  GOES_ON,
  KNOWN_CAUSES,
  LOGIN_REFUSED,
  NOTHING_FOUND,
  PASSING_TROUBLE,
  POETRY_TROUBLE,
  UV_TROUBLE,
  WRONG_DIGEST,
} from './install-log-patterns.js';
import type { KnownCause, Trouble } from './install-log-patterns.js';

export interface LogVerdict {
  readonly cause?: KnownCause;
  /** Something outside the app failed, so a retry may succeed. */
  readonly trouble?: {
    readonly kind: Trouble;
    readonly line: string;
    /** The host of a git repository. Absent if the index failed. */
    readonly gitHost?: string;
  };
  /** The cause of a failed build, with the last line of its exception first. Empty if no build failed. */
  readonly causes: readonly string[];
  /** The lines with the expected and the found digest of a file. */
  readonly tampered?: readonly string[];
  /** The line that shows that an index requires a login. */
  readonly login?: string;
  /** The error lines of the installer. */
  readonly errors: readonly string[];
}

const SHOWN_ERRORS = 12;
/** Enough for the expected and the found digest. */
const DIGEST_LINES = 12;

/**
 * `elsewhere`: lines about the index that are not in the log. `buildOutput`: the output of a build, if the installer writes it
 * elsewhere.
 */
export function judgeInstallLog(
  lines: readonly string[],
  elsewhere: readonly string[] = [],
  buildOutput: readonly string[] = [],
): LogVerdict {
  const trimmed = lines.map((line) => line.trim());
  const cause = KNOWN_CAUSES.find(({ pattern }) => trimmed.some((line) => pattern.test(line)));
  const errors = errorLines(lines).slice(-SHOWN_ERRORS);
  const gaveUp = trimmed.filter((line) => GAVE_UP.test(line));
  const passing = nameNotFound(lines) === undefined ? [] : [...trimmed, ...elsewhere];
  const git = gitTrouble(lines);
  const trouble =
    (git && { kind: git.kind, line: git.line, gitHost: git.host }) ??
    firstMatch(trimmed, FATAL_TROUBLE) ??
    firstMatch(trimmed, UV_TROUBLE) ??
    firstMatch(trimmed, POETRY_TROUBLE) ??
    firstMatch(gaveUp, PASSING_TROUBLE) ??
    firstMatch(passing, PASSING_TROUBLE);
  const tampered = wrongDigest(lines);
  const login = [...trimmed, ...elsewhere].find((line) => LOGIN_REFUSED.test(line));
  return {
    ...(cause && { cause }),
    ...(trouble && { trouble }),
    ...(tampered && { tampered }),
    ...(login !== undefined && { login }),
    causes: buildCauses(lines, buildOutput),
    errors,
  };
}

function errorLines(lines: readonly string[]): readonly string[] {
  const found: string[] = [];
  /** Indentation of the error line that continues. */
  let indent = Infinity;
  for (const line of lines) {
    const text = line.trim();
    if (ERROR_LINE.test(text)) {
      found.push(text);
      indent = GOES_ON.test(text) ? indentOf(line) : Infinity;
    } else if (text !== '' && indentOf(line) > indent) found.push(`  ${text}`);
    else if (text !== '') indent = Infinity;
  }
  return found;
}

/** The line of a wrong digest, and the lines with the digests below it. */
function wrongDigest(lines: readonly string[]): readonly string[] | undefined {
  const start = lines.findIndex((line) => WRONG_DIGEST.test(line.trim()));
  if (start === -1) return undefined;
  const indent = indentOf(lines[start] ?? '');
  const below = lines.slice(start + 1);
  const end = below.findIndex((line) => line.trim() !== '' && indentOf(line) <= indent);
  const digests = below.slice(0, end === -1 ? undefined : end).filter((line) => line.trim() !== '');
  return [lines[start] ?? '', ...digests].slice(0, DIGEST_LINES);
}

/** The package for which the installer found no version: it does not exist, or the index was unreadable. */
export function nameNotFound(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const name = NOTHING_FOUND.exec(line.trim())?.[1];
    if (name !== undefined) return name;
  }
  return undefined;
}

function firstMatch(lines: readonly string[], patterns: typeof FATAL_TROUBLE): LogVerdict['trouble'] {
  for (const { trouble, pattern } of patterns) {
    const line = lines.find((candidate) => pattern.test(candidate));
    if (line !== undefined) return { kind: trouble, line };
  }
  return undefined;
}
