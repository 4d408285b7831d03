// The failures that the kind `command` raises.

import { shownPath, type CommandExit, type Failure } from '../../engine/sdk.js';

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

const READS =
  'A command sees only files that its `reads` match, that its tree input brings, or that a node it waits for wrote.';

export const wrongCwd = (cwd: string, what: 'missing' | 'file' | 'link'): Failure => ({
  code: 'command::wrong-cwd',
  blame: 'pipeline',
  title: `The cwd ${JSON.stringify(cwd)} is not a folder that the command can see`,
  detail: {
    missing: `There is no folder ${shownPath(cwd)} where the command runs.`,
    file: `${shownPath(cwd)} is a file.`,
    link: `${shownPath(cwd)} is, or lies behind, a symbolic link that leads out of the app or to nothing that the command sees.`,
  }[what],
  remedy: `Correct \`cwd\`, or name a file in that folder in \`reads\`, such as \`reads: ["${cwd}/**"]\`. ${READS}`,
});

/** The pipeline names the program, so what it names is the pipeline's to set right; `failure` says what was seen. */
export const wrongProgram = (program: string, failure: Failure): Failure => ({
  ...failure,
  blame: 'pipeline',
  remedy: [
    `Correct the first word of \`argv\`: ${JSON.stringify(program)}.`,
    program.includes('/')
      ? `If it is a file of the app, name it in \`reads\`, and make it executable. ${READS}`
      : 'It must be a program of the machine that builds. One of the app is given with its path: ./NAME.',
  ].join('\n'),
});
