// The help texts, laid out from commands as data.

import type { Command, Option } from './command.js';

const WIDTH = 100;

export function overviewOf(commands: readonly Command[]): string {
  return [
    'pyflow runs declarative pipelines that build Python apps, and re-uses every result whose inputs did not change.',
    '',
    'Usage: pyflow COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    '',
    'Options:',
    ...columns([
      ['--no-color', 'Print no colors; with any command, as NO_COLOR=1 does'],
      ['-V, --version', 'Print the version'],
      ['-h, --help', 'Print this help; behind a command, the help of that command'],
    ]),
    '',
    'Start with `pyflow run` in the folder of a Python app. `pyflow help COMMAND` tells all about a command.',
    ...EXIT_STATUS,
    '',
  ].join('\n');
}

export function helpOf(command: Command): string {
  const tail = command.takesCommandLine === true ? ' -- CMD [ARG]...' : '';
  const operands = command.operands === '' ? '' : ` ${command.operands}`;
  return [
    `${command.summary}.`,
    '',
    `Usage: pyflow ${command.name}${operands} [OPTIONS]${tail}`,
    ...(command.details === undefined ? [] : ['', command.details]),
    '',
    'Options:',
    ...columns([
      ...command.options.map((option) => [label(option), describe(option)] as const),
      ['-h, --help', 'Print this help'],
    ]),
    ...(command.examples === undefined ? [] : ['', 'Examples:', ...command.examples.map((line) => `  ${line}`)]),
    ...(command.name === 'run' ? EXIT_STATUS : []),
    '',
  ].join('\n');
}

const EXIT_STATUS = [
  '',
  'Exit status:',
  ...columns([
    ['0', 'success'],
    ['1', 'the app is at fault'],
    ['2', 'the pipeline file or the command line is at fault'],
    ['70', 'a bug in pyflow'],
    ['75', 'the environment failed, and trying again may help'],
    ['130, 143', 'interrupted by SIGINT, SIGTERM'],
  ]),
];

const label = ({ name, short, value }: Option): string =>
  `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;

const describe = ({ summary, choices, repeatable }: Option): string =>
  summary +
  (choices === undefined ? '' : `: ${choices.join(', ')}`) +
  (repeatable === true ? '; may be given several times' : '');

/** Two columns, the second wrapped. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.max(...rows.map(([first]) => first.length)) + 4;
  return rows.flatMap(([first, second]) =>
    wrap(second, WIDTH - left).map((line, index) => (index === 0 ? `  ${first}` : '').padEnd(left) + line),
  );
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
