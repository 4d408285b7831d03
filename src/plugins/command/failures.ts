// The failures that the kind `command` raises.

import type { CommandExit, Failure } from '../../engine/sdk.js';

/** Enough to see the error, short enough for a terminal. */
const SHOWN_LINES = 20;

export const commandFailed = (argv: readonly string[], exit: CommandExit): Failure => ({
  code: 'command::failed',
  blame: 'app',
  title: `The command \`${argv[0]}\` ended with status ${exit.exitCode}`,
  detail: [`Command: ${argv.join(' ')}`, ...exit.lines.slice(-SHOWN_LINES)].join('\n'),
  remedy:
    exit.exitCode === 126 || exit.exitCode === 127
      ? 'Check that the program exists where the node runs and is executable. Files of the app must be named by `reads`.'
      : 'Correct the command or the files it reads; a file that `reads` does not name is not visible to it.',
});
