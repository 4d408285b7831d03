// The failures of the kind `hook`. The two hooks of the original buildpack keep its codes.

import { posix } from 'node:path';
import type { CommandExit, Failure } from '../../engine/sdk.js';
import { describeWindowsLines, saveWithLf, type WindowsLines } from '../shared/app/line-ends.js';
import { lastException } from '../shared/logs/build-log.js';

const SHOWN_LINES = 20;

export const hookFailed = (script: string, exit: CommandExit, windows?: WindowsLines): Failure =>
  failureOf(script, {
    title: `The script ${script} exited with status ${exit.exitCode}`,
    detail: [
      ...(windows === undefined ? [] : [describeWindowsLines(script, windows)]),
      ...(lastException(exit.lines) ?? []),
      `pyflow runs ${script} in every build. If the script fails, the build fails.`,
      ...exit.lines.slice(-SHOWN_LINES),
    ].join('\n'),
    remedy:
      windows === undefined
        ? `Run ${script} on its own to find the error. If the app no longer needs it, delete or rename it.`
        : `${saveWithLf(script)}. If it still fails, run ${script} on its own to find the error.`,
  });

export const hookCannotStart = (script: string, { detail }: Failure, windows?: WindowsLines): Failure =>
  failureOf(script, {
    title: `The script ${script} cannot be started`,
    detail: [
      ...(windows === undefined ? [] : [describeWindowsLines(script, windows)]),
      'The program in its first line was not found.',
      detail,
    ].join('\n'),
    remedy:
      windows === undefined ? 'Fix the first line, for example to #!/usr/bin/env bash.' : `${saveWithLf(script)}.`,
  });

/** For a script that passed, but whose names and values may end with a CR. */
export const passedWithWindowsLines = (script: string, windows: WindowsLines): string =>
  `${describeWindowsLines(script, windows)} It exited with status 0, but its output may be wrong, because the CR becomes part of names and values.\n${saveWithLf(script)}.`;

function failureOf(script: string, words: Pick<Failure, 'title' | 'detail' | 'remedy'>): Failure {
  const prose = { blame: 'app', ...words } as const;
  switch (posix.basename(script)) {
    case 'pre_compile':
      return { code: 'hooks::pre_compile', ...prose };
    case 'post_compile':
      return { code: 'hooks::post_compile', ...prose };
    default:
      return { code: 'hooks::failed', ...prose };
  }
}
