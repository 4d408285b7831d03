// The failures of the kind `django-collectstatic`. The codes tell apart what the log shows; the advice is the same.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { lastException } from '../shared/logs/build-log.js';

const SHOWN_LINES = 30;

export type Cause = 'syntax-error' | 'improper-configuration' | 'css-reference' | 'os-error';

/** The first of these that any line of the log has. */
export const CAUSES: readonly { readonly cause: Cause; readonly text: string }[] = [
  { cause: 'syntax-error', text: 'SyntaxError' },
  { cause: 'improper-configuration', text: 'ImproperlyConfigured' },
  // A stylesheet names a file that is not there.
  { cause: 'css-reference', text: 'The CSS file' },
  { cause: 'os-error', text: 'OSError' },
];

export function collectstaticFailed(command: string, exit: CommandExit, cause: Cause | undefined): Failure {
  const prose = {
    blame: 'app',
    title: "Django's static files could not be collected",
    detail: [
      ...(lastException(exit.lines) ?? []),
      `\`${command}\` ended with status ${exit.exitCode}.`,
      ...exit.lines.slice(-SHOWN_LINES),
    ].join('\n'),
    remedy: [
      'Correct what the traceback points at: often a setting without a default that only the running app has, a missing',
      'STATIC_ROOT, or a stylesheet that names a file that is not there.',
      'An app whose static files are served from elsewhere can set the variable DISABLE_COLLECTSTATIC to 1.',
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
