// The failures that the kind `hook` raises. The two hooks of the buildpack keep its codes.

import { posix } from 'node:path';
import type { CommandExit, Failure } from '../../engine/sdk.js';

const SHOWN_LINES = 20;

export const hookFailed = (script: string, exit: CommandExit): Failure =>
  failureOf(script, {
    title: `The script ${script} ended with status ${exit.exitCode}`,
    detail: [
      `${script} is run in every build; when it fails, so does the build.`,
      ...exit.lines.slice(-SHOWN_LINES),
    ].join('\n'),
    remedy: `Run ${script} by itself to find the mistake. An app that no longer needs it can delete or rename it.`,
  });

export const hookCannotStart = (script: string, { detail }: Failure): Failure =>
  failureOf(script, {
    title: `The script ${script} cannot be started`,
    detail: `The program that its first line names is not there.\n${detail}`,
    remedy:
      'Correct the first line, to #!/usr/bin/env bash for example. Lines that end as on Windows are a common cause: save the script with LF.',
  });

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
