// The failures that the kind `hook` raises. The two hooks of the buildpack keep its codes.

import { posix } from 'node:path';
import type { CommandExit, Failure } from '../../engine/sdk.js';
import { describeWindowsLines, saveWithLf, type WindowsLines } from '../shared/app/line-ends.js';
import { lastException } from '../shared/logs/build-log.js';

const SHOWN_LINES = 20;

export const hookFailed = (script: string, exit: CommandExit, windows?: WindowsLines): Failure =>
  failureOf(script, {
    title: `The script ${script} ended with status ${exit.exitCode}`,
    detail: [
      ...(windows === undefined ? [] : [describeWindowsLines(script, windows)]),
      ...(lastException(exit.lines) ?? []),
      `${script} is run in every build; when it fails, so does the build.`,
      ...exit.lines.slice(-SHOWN_LINES),
    ].join('\n'),
    remedy:
      windows === undefined
        ? `Run ${script} by itself to find the mistake. An app that no longer needs it can delete or rename it.`
        : `${saveWithLf(script)}. If it still fails, run ${script} by itself to find the mistake.`,
  });

export const hookCannotStart = (script: string, { detail }: Failure, windows?: WindowsLines): Failure =>
  failureOf(script, {
    title: `The script ${script} cannot be started`,
    detail: [
      ...(windows === undefined ? [] : [describeWindowsLines(script, windows)]),
      'The program that its first line names is not there.',
      detail,
    ].join('\n'),
    remedy:
      windows === undefined ? 'Correct the first line, to #!/usr/bin/env bash for example.' : `${saveWithLf(script)}.`,
  });

/** It went well, but its names and values may end with a CR. */
export const passedWithWindowsLines = (script: string, windows: WindowsLines): string =>
  `${describeWindowsLines(script, windows)} It ended with status 0, but what it wrote may be wrong: the CR becomes part of names and values.\n${saveWithLf(script)}.`;

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
