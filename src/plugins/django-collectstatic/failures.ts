// The failures of the kind `django-collectstatic`. The code depends on what the log shows; the advice is the same for all.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { lastException } from '../shared/logs/build-log.js';

const SHOWN_LINES = 30;

export type Cause = 'syntax-error' | 'improper-configuration' | 'css-reference' | 'os-error';

/** Causes by the text that a line of the log contains; the first one that is found counts. */
export const CAUSES: readonly { readonly cause: Cause; readonly text: string }[] = [
  { cause: 'syntax-error', text: 'SyntaxError' },
  { cause: 'improper-configuration', text: 'ImproperlyConfigured' },
  // A stylesheet refers to a file that does not exist.
  { cause: 'css-reference', text: 'The CSS file' },
  { cause: 'os-error', text: 'OSError' },
];

export function collectstaticFailed(command: string, exit: CommandExit, cause: Cause | undefined): Failure {
  const prose = {
    blame: 'app',
    title: "Collecting Django's static files failed",
    detail: [
      ...(lastException(exit.lines) ?? []),
      `\`${command}\` exited with status ${exit.exitCode}.`,
      ...exit.lines.slice(-SHOWN_LINES),
    ].join('\n'),
    remedy: [
      'Fix what the traceback points at. Common causes are a setting without a default that only the running app has, a',
      'missing STATIC_ROOT, and a stylesheet that refers to a file that does not exist.',
      'If the static files are served from elsewhere, set the variable DISABLE_COLLECTSTATIC to 1.',
    ].join('\n'),
  } as const;
  switch (cause) {
    case 'syntax-error':
      return { code: 'collectstatic-syntax-error', ...prose };
    case 'improper-configuration':
      return { code: 'collectstatic-improper-configuration', ...prose };
    case 'css-reference':
      return { code: 'collectstatic-fancy-references', ...prose };
    case 'os-error':
      return { code: 'collectstatic-missing-file', ...prose };
    case undefined:
      return { code: 'collectstatic-other', ...prose };
  }
}
