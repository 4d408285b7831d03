// The failures of the kind `command`.

import { shownPath, type CommandExit, type Failure } from '../../engine/sdk.js';

/** Enough to see the error, short enough for a terminal. */
const SHOWN_LINES = 20;

export const commandFailed = (argv: readonly string[], exit: CommandExit): Failure => ({
  code: 'command::failed',
  blame: 'app',
  title: `The command \`${argv[0]}\` exited with status ${exit.exitCode}`,
  detail: [`Command: ${argv.join(' ')}`, ...exit.lines.slice(-SHOWN_LINES)].join('\n'),
  remedy:
    exit.exitCode === 126 || exit.exitCode === 127
      ? 'Check that the program exists where the node runs and is executable. If it is a file of the app, name it in `reads`.'
      : 'Fix the command or the files that it reads. The command does not see files that `reads` does not match.',
});

const READS =
  'A command sees only the files that its `reads` match, those of its tree input, and those that an earlier node wrote.';

export const wrongCwd = (cwd: string, what: 'missing' | 'file' | 'link'): Failure => ({
  code: 'command::wrong-cwd',
  blame: 'pipeline',
  title: `The command sees no folder ${JSON.stringify(cwd)}, which is its cwd`,
  detail: {
    missing: `There is no folder ${shownPath(cwd)} where the command runs.`,
    file: `${shownPath(cwd)} is a file.`,
    link: `${shownPath(cwd)} is a symbolic link, or is behind one, whose target is outside the app or not visible to the command.`,
  }[what],
  remedy: `Fix \`cwd\`, or add files of that folder to \`reads\`, such as \`reads: ["${cwd}/**"]\`. ${READS}`,
});

/** The pipeline names the program, so the pipeline is to blame. `failure` says what was seen. */
export const wrongProgram = (program: string, failure: Failure): Failure => ({
  ...failure,
  blame: 'pipeline',
  remedy: [
    `Fix the first word of \`argv\`: ${JSON.stringify(program)}.`,
    program.includes('/')
      ? `If it is a file of the app, name it in \`reads\` and make it executable. ${READS}`
      : 'It must be a program on the build machine. For a program of the app, write its path: ./NAME.',
  ].join('\n'),
});
